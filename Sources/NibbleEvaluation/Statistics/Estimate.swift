internal import CLibrary

/// A measured value and its standard error.
public struct Estimate: Sendable, Equatable {
    /// The value.
    public var value: Double
    /// One standard error.
    public var error: Double

    /// Creates an estimate.
    public init(_ value: Double, error: Double) {
        self.value = value
        self.error = error
    }

    /// `exp` of this: the error is multiplied by the derivative, `exp(value)`.
    var exponential: Estimate { Estimate(exp(value), error: exp(value) * error) }
}

/// Sum and sum of squares of a quantity, for its mean and the error of the mean.
struct Moments: Sendable, Equatable {
    var sum = 0.0
    var sumOfSquares = 0.0

    mutating func add(_ value: Double) {
        sum += value
        sumOfSquares += value * value
    }

    mutating func merge(_ other: Moments) {
        sum += other.sum
        sumOfSquares += other.sumOfSquares
    }

    /// `mean_and_uncertainty` of llama.cpp's `kl_divergence`: f = Σx/N, df = √((Σx²/N - f²) / (N - 1)), and 0 where
    /// N ≤ 10 or rounding made the variance negative. Without values both are NaN (0 there, which makes the
    /// perplexity of nothing 1).
    func estimate(count: Int) -> Estimate {
        guard count > 0 else { return Estimate(.nan, error: .nan) }
        let mean = sum / Double(count)
        let variance = sumOfSquares / Double(count) - mean * mean
        let isMeaningful = variance > 0 && count > Self.countWithoutError
        return Estimate(mean, error: isMeaningful ? (variance / Double(count - 1)).squareRoot() : 0)
    }

    /// Up to this many values llama.cpp gives no error.
    static let countWithoutError = 10
}
