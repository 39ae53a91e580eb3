/// Which checkpoints of a run are kept when a new one has been saved.
public struct Retention: Sendable, Equatable {
    /// How many of the newest, 1 or more. With two, damage to the newest costs no more than one interval.
    public var last: Int
    /// Whether the best one is kept beside them.
    public var keepsBest: Bool

    /// Creates a rule.
    public init(last: Int = 2, keepsBest: Bool = true) {
        precondition(last >= 1, "\(last) checkpoints kept, expected 1 or more")
        self.last = last
        self.keepsBest = keepsBest
    }

    /// The steps of `saved`, ascending, that are not kept once `step` is saved.
    ///
    /// Later ones, which a resumed run left behind because they are damaged, are neither counted nor
    /// removed: saving the same step again replaces them.
    func superseded(_ saved: [Int], after step: Int, best: Int?) -> [Int] {
        saved.filter { $0 <= step }.dropLast(last).filter { !keepsBest || $0 != best }
    }
}
