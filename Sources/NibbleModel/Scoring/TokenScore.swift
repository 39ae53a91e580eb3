internal import NibbleTensor

/// What a model makes of one token of a text.
public struct TokenScore: Sendable, Equatable {
    /// -log p(token | what is before it).
    public var negativeLogLikelihood: Double
    /// The token with the largest probability; the first of several.
    public var top: Int32
    /// Σ p_base (log p_base - log p) over the vocabulary, in nats; 0 for the base itself.
    public var divergence: Double
}

extension VocabularySums {
    func score(source: Int, token: Int) -> TokenScore {
        TokenScore(
            negativeLogLikelihood: negativeLogLikelihood(source: source, token: token),
            top: top(source: source, token: token), divergence: divergence(source: source, token: token))
    }
}
