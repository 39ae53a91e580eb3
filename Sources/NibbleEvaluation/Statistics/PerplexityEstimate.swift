internal import CLibrary

/// Perplexity and its standard error, from the negative log likelihoods of tokens as they come.
///
/// With x the negative log likelihoods (natural logarithm) and N their number, as llama.cpp's `perplexity` has it
/// (tools/perplexity/perplexity.cpp):
///
///     mean = Σx / N    variance = Σx² / N - mean²    standardError = √(variance / (N - 1))
///     perplexity = exp(mean)    perplexityError = perplexity · standardError
///
/// Estimates of chunks or texts are pooled with ``merge(_:)``. Sums are taken in the order given; merging in the
/// same order gives the same bits whatever number of threads made the parts.
public struct PerplexityEstimate: Sendable, Equatable {
    /// Number of tokens.
    public private(set) var count = 0
    private var moments = Moments()

    /// An estimate without tokens.
    public init() {}

    /// Adds the negative log likelihood of a token.
    ///
    /// - Throws: ``EvaluationError`` where it is NaN or infinite; the estimate is unchanged then.
    public mutating func add(_ negativeLogLikelihood: Double) throws(EvaluationError) {
        guard negativeLogLikelihood.isFinite else {
            throw .notFinite(quantity: "negative log likelihood", value: negativeLogLikelihood, token: count)
        }
        moments.add(negativeLogLikelihood)
        count += 1
    }

    /// Adds the tokens of `other`.
    public mutating func merge(_ other: PerplexityEstimate) {
        moments.merge(other.moments)
        count += other.count
    }

    /// The estimate over the tokens of all `parts`, each token counting the same.
    public static func pooled(_ parts: some Sequence<PerplexityEstimate>) -> PerplexityEstimate {
        parts.reduce(into: PerplexityEstimate()) { $0.merge($1) }
    }

    /// Mean negative log likelihood; NaN without tokens.
    public var mean: Double { moments.sum / Double(count) }

    /// Variance of the negative log likelihoods, at least 0; NaN without tokens.
    public var variance: Double {
        let variance = moments.sumOfSquares / Double(count) - mean * mean
        return variance < 0 ? 0 : variance
    }

    /// Standard error of ``mean``; NaN for fewer than two tokens. (llama.cpp prints no estimate where the variance
    /// is not positive; here that is an error of 0.)
    public var standardError: Double {
        count < 2 ? .nan : (variance / Double(count - 1)).squareRoot()
    }

    /// exp(``mean``); NaN without tokens.
    public var perplexity: Double { exp(mean) }

    /// Standard error of ``perplexity``; NaN for fewer than two tokens.
    public var perplexityError: Double { perplexity * standardError }
}
