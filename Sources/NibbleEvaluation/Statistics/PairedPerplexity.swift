internal import CLibrary

/// Perplexities of a model and of a base model on the same tokens.
///
/// Because both are measured on the same tokens their errors are correlated, and the error of their difference is
/// much smaller than either's: that is what tells two quantizations apart on a short text. Formulas of llama.cpp's
/// `kl_divergence` (tools/perplexity/perplexity.cpp), with x and y the negative log likelihoods under the model and
/// the base model, N tokens, and df the error of a mean (see ``DivergenceStatistics``):
///
///     cov = (Σxy / N - (Σx / N)(Σy / N)) / (N - 1)
///     ln ratio = x̄ - ȳ ± √(df_x² + df_y² - 2 cov)
///     difference = PPL - PPL_base ± √(e² + e_base² - 2 PPL PPL_base cov)
///
/// Up to 10 tokens all errors are 0. (llama.cpp has a covariance at exactly 10, and the root of its negative.)
public struct PairedPerplexity: Sendable, Equatable {
    /// Number of tokens.
    public private(set) var count = 0
    private var moments = Moments()
    private var baseMoments = Moments()
    private var sumOfProducts = 0.0

    /// A pair without tokens.
    public init() {}

    /// Adds the negative log likelihoods of a token; both must be finite.
    mutating func add(nll: Double, baseNll: Double) {
        moments.add(nll)
        baseMoments.add(baseNll)
        sumOfProducts += nll * baseNll
        count += 1
    }

    mutating func merge(_ other: PairedPerplexity) {
        moments.merge(other.moments)
        baseMoments.merge(other.baseMoments)
        sumOfProducts += other.sumOfProducts
        count += other.count
    }

    private var logarithm: Estimate { moments.estimate(count: count) }
    private var baseLogarithm: Estimate { baseMoments.estimate(count: count) }

    private var covariance: Double {
        guard count > Moments.countWithoutError else { return 0 }
        let n = Double(count)
        return (sumOfProducts / n - (moments.sum / n) * (baseMoments.sum / n)) / (n - 1)
    }

    /// Perplexity of the model.
    public var perplexity: Estimate { logarithm.exponential }

    /// Perplexity of the base model.
    public var basePerplexity: Estimate { baseLogarithm.exponential }

    /// Correlation of the logarithms of the two, cov / (df_x df_y), -1 to 1; NaN where either has no error.
    public var correlation: Double { covariance / (logarithm.error * baseLogarithm.error) }

    /// ln(PPL / PPL_base).
    public var logRatio: Estimate {
        let (model, base) = (logarithm, baseLogarithm)
        return Estimate(
            model.value - base.value,
            error: Self.root(model.error * model.error + base.error * base.error - 2 * covariance))
    }

    /// PPL / PPL_base.
    public var ratio: Estimate { logRatio.exponential }

    /// PPL - PPL_base.
    public var difference: Estimate {
        let (model, base) = (perplexity, basePerplexity)
        let square =
            model.error * model.error + base.error * base.error
            - 2 * (model.value * base.value * covariance)
        return Estimate(model.value - base.value, error: Self.root(square))
    }

    /// The root of a variance that is 0 for equal models, and may come out of the rounding as less. (llama.cpp
    /// prints `nan` there.)
    private static func root(_ variance: Double) -> Double { variance > 0 ? variance.squareRoot() : 0 }
}

extension PairedPerplexity {
    /// The share of `first`, what one model lost against the base model, that another one, which lost `later`,
    /// wins back: (first - later) / first. 1 is all of it, more is better than the base model, less than 0 is
    /// worse than the first model. Nil where the first model lost nothing.
    public static func recoveredShare(of first: Double, by later: Double) -> Double? {
        first > 0 ? (first - later) / first : nil
    }
}
