/// One model in a comparison.
public struct ComparisonRow: Sendable, Equatable {
    /// The model, as it should be shown.
    public let name: String
    /// Bytes of its tensors.
    public let bytes: Int
    /// Bits that a weight takes on average.
    public let bitsPerWeight: Double
    /// Perplexity.
    public let perplexity: Estimate
    /// Of a model that was compared with the base model; nil for the base model.
    let statistics: DivergenceStatistics?
    /// Its divergences, sorted once.
    let percentiles: Percentiles?
    /// What the first model that was compared lost; nil for that model itself.
    let firstDifference: Double?
    /// Mean KL divergence from the second base, in nats; nil where there is none, and for that itself.
    public let secondDivergence: Estimate?
    /// Intervals over documents; nil where there are too few, see ``DocumentBootstrap``.
    public let intervals: Evaluation.Intervals?

    /// Perplexity minus the base model's, with the error of paired measurements; nil for the base model.
    public var difference: Estimate? { statistics?.perplexities.difference }
    /// The share of what the first model lost that this one wins back, 1 for all; nil for the base model and the
    /// first.
    public var recovered: Double? {
        guard let firstDifference, let difference else { return nil }
        return PairedPerplexity.recoveredShare(of: firstDifference, by: difference.value)
    }
    /// Mean KL divergence from the base model, in nats.
    public var meanDivergence: Estimate? { statistics?.meanDivergence }
    /// The 95 % interval of the mean divergence: over documents where ``intervals`` has it, else 1.96 errors over tokens.
    public var divergenceInterval: Interval? {
        if let own = intervals?.meanDivergence { return own }
        guard let mean = meanDivergence, mean.value.isFinite, mean.error.isFinite else { return nil }
        return Interval(lower: mean.value - 1.96 * mean.error, upper: mean.value + 1.96 * mean.error)
    }
    /// The KL divergence that half of the tokens exceed.
    public var medianDivergence: Double? { percentiles?.median }
    /// The KL divergence that one token in ten exceeds.
    public var divergence90: Double? { percentiles?.value(at: 0.9) }
    /// The KL divergence that one token in a thousand exceeds.
    public var divergence999: Double? { percentiles?.value(at: 0.999) }
    /// The share of tokens whose KL divergence is above ``DocumentSums/farDivergence``.
    public var farShare: Double? { percentiles?.share(above: Float(DocumentSums.farDivergence)) }
    /// The KL divergence that one token in a hundred exceeds.
    public var divergence99: Double? { percentiles?.value(at: 0.99) }
    /// The largest KL divergence of a token.
    public var maxDivergence: Double? { percentiles?.maximum }
    /// The share of tokens where both models hold the same one the most probable.
    public var sameTop: Estimate? { statistics?.sameTop }
}
