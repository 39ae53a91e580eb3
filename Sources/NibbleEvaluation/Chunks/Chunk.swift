/// Tokens that are evaluated together, from position 0 and an empty cache, and the positions that count.
public struct Chunk: Sendable, Equatable {
    /// The tokens to evaluate, the first replaced where the method says so.
    public var tokens: [Int32]
    /// Positions in ``tokens`` whose logits are scored.
    public var scored: Range<Int>
    /// What each scored position should have predicted: the token after it.
    public var targets: [Int32]
    /// Which of the scored positions count, by their place in ``scored``; nil for all. In conversations, those that predict
    /// answers.
    public var counted: [Int]?
}
