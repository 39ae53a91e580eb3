/// The logarithms of the probabilities of all tokens at one position, 16 bits each, in a mapped file.
///
/// Valid as long as the ``LogitsFileReader`` it came from.
public struct LogitsRecord {
    /// Distance of two codes; 0 where all logits were equal.
    public var scale: Float
    /// ln p of code 0.
    public var minimum: Float
    /// A code for each token of the vocabulary.
    public var codes: UnsafeBufferPointer<UInt16>

    /// ln p of a token, scale · code + minimum, rounded after each operation.
    public func logProbability(of token: Int) -> Float {
        precondition(codes.indices.contains(token), "token \(token) of \(codes.count)")
        return scale * Float(codes[token]) + minimum
    }
}
