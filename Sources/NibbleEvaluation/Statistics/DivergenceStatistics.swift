/// How far a model is from a base model on the same tokens: all figures of `llama-perplexity --kl-divergence`.
///
/// Perplexity says how well a model predicts a text; the divergence says how much of the base model's behaviour is
/// left, token by token, and needs far fewer tokens to tell two quantizations apart.
///
/// Formulas of `kl_divergence` and `log_softmax` in llama.cpp's tools/perplexity/perplexity.cpp, in Double (there,
/// squares of single tokens are in Float). The error of a mean f = Σx/N is df = √((Σx²/N - f²) / (N - 1)), and 0 for
/// N ≤ 10. Values for percentiles are kept as `Float`: 8 bytes a token.
///
/// ```swift
/// var statistics = DivergenceStatistics()
/// for record in records { try statistics.add(record) }
/// print(statistics.table)
/// ```
public struct DivergenceStatistics: Sendable, Equatable {
    /// The perplexities of both models.
    public private(set) var perplexities = PairedPerplexity()
    private var divergence = Moments()
    private var probabilityDifference = Moments()
    /// Of the squares of the differences.
    private var squaredDifference = Moments()
    private var sameTopCount = 0
    private var divergences: [Float] = []
    private var probabilityDifferences: [Float] = []

    /// Statistics of no tokens.
    public init() {}

    /// Number of tokens.
    public var count: Int { perplexities.count }

    /// Adds a token.
    ///
    /// - Throws: ``EvaluationError`` where a number is NaN or infinite; the statistics are unchanged then.
    public mutating func add(_ token: TokenDivergence) throws(EvaluationError) {
        if let flaw = token.flaw {
            throw .notFinite(quantity: flaw.quantity, value: flaw.value, token: count)
        }
        perplexities.add(nll: token.nll, baseNll: token.baseNll)
        divergence.add(token.divergence)
        probabilityDifference.add(token.probabilityDifference)
        squaredDifference.add(token.probabilityDifference * token.probabilityDifference)
        if token.sameTop { sameTopCount += 1 }
        divergences.append(Float(token.divergence))
        probabilityDifferences.append(Float(token.probabilityDifference))
    }

    /// Adds the tokens of `other`. In the order of the text the result does not depend on who made the parts.
    public mutating func merge(_ other: DivergenceStatistics) {
        perplexities.merge(other.perplexities)
        divergence.merge(other.divergence)
        probabilityDifference.merge(other.probabilityDifference)
        squaredDifference.merge(other.squaredDifference)
        sameTopCount += other.sameTopCount
        divergences += other.divergences
        probabilityDifferences += other.probabilityDifferences
    }

    // MARK: - Figures

    /// Mean Kullback-Leibler divergence in nats.
    public var meanDivergence: Estimate { divergence.estimate(count: count) }

    /// The divergences of the tokens, sorted at each call: `O(n log n)`.
    public var divergencePercentiles: Percentiles { Percentiles(divergences) }

    /// Mean of p - p_base of the tokens of the text.
    public var meanProbabilityDifference: Estimate { probabilityDifference.estimate(count: count) }

    /// p - p_base of the tokens of the text, sorted at each call: `O(n log n)`.
    public var probabilityDifferencePercentiles: Percentiles { Percentiles(probabilityDifferences) }

    /// Root mean square of p - p_base: r = √m ± 0.5 / r · dm, where m is the mean square.
    /// The error is 0 where all differences are (llama.cpp prints `nan` there).
    public var rootMeanSquareDifference: Estimate {
        let square = squaredDifference.estimate(count: count)
        let root = square.value.squareRoot()
        return Estimate(root, error: root > 0 ? 0.5 / root * square.error : 0)
    }

    /// Share of the tokens where both models hold the same token the most probable: s ± √(s (1 - s) / (N - 1)).
    /// NaN without tokens; the error of one token is NaN.
    public var sameTop: Estimate {
        let share = Double(sameTopCount) / Double(count)
        return Estimate(
            share, error: count < 2 ? .nan : (share * (1 - share) / Double(count - 1)).squareRoot())
    }
}
