/// Mean divergence by the place of a token among those of its chunk that are scored, in ``binCount`` equal parts.
public struct PositionDivergence: Sendable, Equatable {
    /// Parts of a chunk.
    public static let binCount = 8
    private var bins = Array(repeating: (count: 0, sum: 0.0), count: binCount)

    /// Of no tokens.
    public init() {}

    /// Adds the tokens of a chunk, in order.
    mutating func add(_ chunk: [TokenDivergence]) {
        for (index, token) in chunk.enumerated() {
            let bin = index * Self.binCount / chunk.count
            bins[bin].count += 1
            bins[bin].sum += token.divergence
        }
    }

    /// Adds the tokens of `other`.
    mutating func merge(_ other: PositionDivergence) {
        for bin in bins.indices {
            bins[bin].count += other.bins[bin].count
            bins[bin].sum += other.bins[bin].sum
        }
    }

    /// The mean divergence of each part, in nats; nil where no token fell into it.
    public var means: [Double?] { bins.map { $0.count > 0 ? $0.sum / Double($0.count) : nil } }

    /// Whether all counts and sums are equal.
    public static func == (left: PositionDivergence, right: PositionDivergence) -> Bool {
        zip(left.bins, right.bins).allSatisfy { $0.count == $1.count && $0.sum == $1.sum }
    }
}
