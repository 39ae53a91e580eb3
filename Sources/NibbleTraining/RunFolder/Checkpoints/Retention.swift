/// Which checkpoints of a run are kept when a new one has been saved.
struct Retention: Sendable, Equatable {
    /// How many of the newest, 1 or more. With two, damage to the newest costs no more than one interval.
    var last = 2
    /// Whether the best one is kept beside them.
    var keepsBest = true

    /// The steps of `saved`, ascending, that are not kept once `step` is saved.
    ///
    /// Later ones, which a resumed run left behind because they are damaged, are neither counted nor
    /// removed: saving the same step again replaces them.
    func superseded(_ saved: [Int], after step: Int, best: Int?) -> [Int] {
        saved.filter { $0 <= step }.dropLast(last).filter { !keepsBest || $0 != best }
    }
}
