public import NibbleCheckpoint

extension DivergenceStatistics {
    /// All figures; probabilities as shares of 1, `null` for what is not a number.
    public var json: JSONValue {
        .members([
            "tokens": .integer(count),
            "perplexity": perplexities.perplexity.json,
            "base_perplexity": perplexities.basePerplexity.json,
            "correlation_of_logarithms": .finite(perplexities.correlation),
            "log_ratio": perplexities.logRatio.json,
            "ratio": perplexities.ratio.json,
            "difference": perplexities.difference.json,
            "kl_divergence": Self.json(
                meanDivergence, divergencePercentiles, at: Percentiles.divergencePoints),
            "probability_difference": Self.json(
                meanProbabilityDifference, probabilityDifferencePercentiles, at: Percentiles.points),
            "probability_difference_rms": rootMeanSquareDifference.json,
            "same_top": sameTop.json,
        ])
    }

    private static func json(
        _ mean: Estimate, _ percentiles: Percentiles, at points: [Percentiles.Point]
    ) -> JSONValue {
        .object(
            [.init("mean", mean.json)]
                + points.map { .init($0.key, .finite(percentiles.value(at: $0))) })
    }
}

extension Estimate {
    /// `{"value": …, "error": …}`
    public var json: JSONValue { .members(["value": .finite(value), "error": .finite(error)]) }
}

extension PerplexityEstimate {
    /// Perplexity, its error, the mean negative log likelihood and the number of tokens.
    public var json: JSONValue {
        .members([
            "perplexity": .finite(perplexity), "error": .finite(perplexityError),
            "mean_nll": .finite(mean), "mean_nll_error": .finite(standardError),
            "scored_tokens": .integer(count),
        ])
    }
}

extension JSONValue {
    /// JSON has no NaN and no infinity: `null`.
    package static func finite(_ value: Double) -> JSONValue { value.isFinite ? .real(value) : .null }
}
