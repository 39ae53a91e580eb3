/// How much of what is taken from a text is of each of its kinds.
///
/// Shares are kept in ``cycle``ths: of that many sequences each kind has a whole number. They come one after another so that
/// any first n of them have n times its share of each kind, to within one or two.
public struct TextShares: Sendable, Equatable {
    /// Sequences after which the kinds come in the same order again.
    public static let cycle = 1024

    /// Of ``cycle`` sequences those of each kind.
    private let counts: [Int]
    /// The kind of each sequence of a cycle.
    private let kinds: [Int]
    /// How many of its kind come before each sequence of a cycle.
    private let ranks: [Int]

    /// Shares in proportion to some weights.
    ///
    /// - Parameter weights: one for each kind; above 0 and finite.
    /// - Returns: nil where rounding leaves a kind no sequence of a ``cycle``; a thousandth of the sum always has one.
    public init?(_ weights: [Double]) {
        precondition(!weights.isEmpty && weights.allSatisfy { $0 > 0 && $0.isFinite }, "weights \(weights)")
        let counts = Self.apportioned(Self.cycle, by: weights)
        guard counts.allSatisfy({ $0 > 0 }) else { return nil }
        self.counts = counts
        var kinds: [Int] = []
        var ranks: [Int] = []
        var taken = counts.map { _ in 0 }
        for place in 0..<Self.cycle {
            // What lags most behind its share.
            let lags = counts.indices.map { counts[$0] * (place + 1) - taken[$0] * Self.cycle }
            let kind = lags.indices.reduce(0) { lags[$1] > lags[$0] ? $1 : $0 }
            kinds.append(kind)
            ranks.append(taken[kind])
            taken[kind] += 1
        }
        self.kinds = kinds
        self.ranks = ranks
    }

    /// Kinds.
    public var kindCount: Int { counts.count }

    /// The share of a kind, of 1.
    public func share(of kind: Int) -> Double { Double(counts[kind]) / Double(Self.cycle) }

    /// The kind of a sequence, and its number among those of that kind.
    ///
    /// - Parameter place: the number of the sequence, from 0.
    public func place(_ place: Int) -> (kind: Int, index: Int) {
        let (round, offset) = place.quotientAndRemainder(dividingBy: Self.cycle)
        let kind = kinds[offset]
        return (kind, round * counts[kind] + ranks[offset])
    }

    /// Of `total` sequences those of each kind, by the largest remainders (Hamilton's method).
    public func counts(of total: Int) -> [Int] {
        Self.apportioned(total, by: counts.map(Double.init))
    }

    private static func apportioned(_ total: Int, by weights: [Double]) -> [Int] {
        let sum = weights.reduce(0, +)
        let exact = weights.map { Double(total) * ($0 / sum) }
        var counts = exact.map { Int($0) }
        // Of equal remainders the first kind's.
        let order = exact.indices.sorted {
            (exact[$1] - Double(counts[$1]), $0) < (exact[$0] - Double(counts[$0]), $1)
        }
        for kind in order.prefix(total - counts.reduce(0, +)) { counts[kind] += 1 }
        return counts
    }
}
