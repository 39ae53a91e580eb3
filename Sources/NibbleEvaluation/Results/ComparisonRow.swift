/// One model in a comparison.
public struct ComparisonRow: Sendable, Equatable {
    /// The model, as it should be shown.
    public var name: String
    /// Bytes of its tensors.
    public var bytes: Int
    /// Bits that a weight takes on average.
    public var bitsPerWeight: Double
    /// Perplexity.
    public var perplexity: Estimate
    /// Perplexity minus the base model's, with the error of paired measurements; nil for the base model.
    public var difference: Estimate?
    /// The share of what the first model lost that this one wins back, 1 for all; nil for the base model and the
    /// first.
    public var recovered: Double?
    /// Mean KL divergence from the base model, in nats.
    public var meanDivergence: Estimate?
    /// The KL divergence that one token in a hundred exceeds.
    public var divergence99: Double?
    /// The largest KL divergence of a token.
    public var maxDivergence: Double?
    /// The share of tokens where both models hold the same one the most probable.
    public var sameTop: Estimate?

    /// The base model's row.
    init(base name: String, _ model: Evaluation.Model, _ estimate: PerplexityEstimate) {
        self.name = name
        bytes = model.bytes
        bitsPerWeight = model.bitsPerWeight
        perplexity = Estimate(estimate.perplexity, error: estimate.perplexityError)
    }

    /// The row of a model that was compared with the base model.
    ///
    /// - Parameter first: the row of the first model that was; nil in that row itself.
    init(_ name: String, _ model: Evaluation.Model, _ statistics: DivergenceStatistics, first: ComparisonRow?)
    {
        self.name = name
        bytes = model.bytes
        bitsPerWeight = model.bitsPerWeight
        let difference = statistics.perplexities.difference
        let percentiles = statistics.divergencePercentiles
        perplexity = statistics.perplexities.perplexity
        self.difference = difference
        recovered = first?.difference.flatMap {
            PairedPerplexity.recoveredShare(of: $0.value, by: difference.value)
        }
        meanDivergence = statistics.meanDivergence
        divergence99 = percentiles.value(at: 0.99)
        maxDivergence = percentiles.maximum
        sameTop = statistics.sameTop
    }
}
