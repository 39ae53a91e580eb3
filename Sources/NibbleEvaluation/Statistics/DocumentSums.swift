/// Sums over the scored tokens of one document, of a model beside the base model: what intervals over documents are made of.
public struct DocumentSums: Sendable, Equatable {
    /// Scored tokens.
    public private(set) var count = 0
    /// Negative log likelihoods under the model, in nats.
    public private(set) var negativeLogLikelihood = 0.0
    /// Negative log likelihoods under the base model, in nats.
    public private(set) var baseNegativeLogLikelihood = 0.0
    /// Kullback-Leibler divergences from the base model, in nats.
    public private(set) var divergence = 0.0
    /// Tokens whose divergence is above ``farDivergence``.
    public private(set) var farCount = 0
    /// Tokens where both models hold the same one the most probable.
    public private(set) var sameTopCount = 0

    /// The divergence above which a token counts as one where the models part: 0.1 nats.
    public static let farDivergence = 0.1

    /// Sums of no tokens.
    public init() {}

    /// Adds a token, whose numbers must be finite.
    mutating func add(_ token: TokenDivergence) {
        count += 1
        negativeLogLikelihood += token.nll
        baseNegativeLogLikelihood += token.baseNll
        divergence += token.divergence
        if token.divergence > Self.farDivergence { farCount += 1 }
        if token.sameTop { sameTopCount += 1 }
    }

    /// Adds the tokens of `other`.
    mutating func merge(_ other: DocumentSums) {
        count += other.count
        negativeLogLikelihood += other.negativeLogLikelihood
        baseNegativeLogLikelihood += other.baseNegativeLogLikelihood
        divergence += other.divergence
        farCount += other.farCount
        sameTopCount += other.sameTopCount
    }
}
