/// The largest probabilities of a teacher for some tokens: what is left of it where it is cached.
///
/// A token has `top` entries, sorted by probability, largest first (of equal ones the first token of the vocabulary),
/// and the mass of all other tokens of the vocabulary together, its tail.
public struct TeacherProbabilities: Sendable, Equatable {
    /// Entries of a token.
    public let top: Int
    /// Tokens of the vocabulary, `[token][top]`.
    public private(set) var ids: [Int32]
    /// Their probabilities at the loss' temperature, 0 to 1, `[token][top]`.
    public private(set) var probabilities: [Float]
    /// The mass outside of the entries, 0 to 1, `[token]`.
    public private(set) var tails: [Float]

    /// Creates probabilities of as many tokens as `tails` has.
    public init(top: Int, ids: [Int32], probabilities: [Float], tails: [Float]) {
        precondition(top > 0, "\(top) entries a token")
        precondition(
            ids.count == top * tails.count && probabilities.count == ids.count,
            "\(ids.count) ids and \(probabilities.count) probabilities for \(tails.count) tokens of \(top)")
        self.top = top
        self.ids = ids
        self.probabilities = probabilities
        self.tails = tails
    }

    /// Of no tokens yet.
    public init(top: Int) { self.init(top: top, ids: [], probabilities: [], tails: []) }

    /// Tokens.
    public var count: Int { tails.count }

    /// Those of some tokens.
    public subscript(range: Range<Int>) -> TeacherProbabilities {
        let entries = range.lowerBound * top..<range.upperBound * top
        return TeacherProbabilities(
            top: top, ids: Array(ids[entries]), probabilities: Array(probabilities[entries]),
            tails: Array(tails[range]))
    }

    /// Adds the tokens of `other` behind these.
    public mutating func append(_ other: TeacherProbabilities) {
        precondition(other.top == top, "\(other.top) entries a token, expected \(top)")
        ids += other.ids
        probabilities += other.probabilities
        tails += other.tails
    }
}
