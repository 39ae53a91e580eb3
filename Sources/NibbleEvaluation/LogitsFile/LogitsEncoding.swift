internal import CLibrary

/// How the logits of one position become 16-bit codes in a file of logits.
///
/// Of logits l, in `Float` but for the sum, as llama.cpp's `log_softmax` with `log_prob`
/// (tools/perplexity/perplexity.cpp):
///
///     least = max(min l, max l - 16)                 lse = ln Σ exp(l - max l)
///     minimum = least - max l - lse                  scale = (max l - least) / 65535
///     code = round((l - least) / scale)              0 for l ≤ least and NaN, and for all where scale is 0
///
/// Rounding is to nearest, ties to even; the division is a multiplication by 1 / scale, which leaves the largest code
/// at 65535. llama.cpp compiled with fused multiply-add may round a value next to a tie the other way.
///
/// The largest logit, the smallest and the sum are often known before the logits are at hand as a whole, so that
/// they can be encoded in slices of the vocabulary.
public struct LogitsEncoding: Sendable, Equatable {
    /// Distance of two codes.
    public let scale: Float
    /// ln p of code 0.
    public let minimum: Float
    let leastLogit: Float
    let inverseScale: Float

    /// Natural logarithms below the largest that are told apart.
    public static let range: Float = 16

    /// Creates the encoding.
    ///
    /// - Parameters:
    ///   - largest: the largest logit.
    ///   - smallest: the smallest logit; may be -∞.
    ///   - sumOfExponentials: Σ exp(l - largest), 1 or more.
    /// - Throws: ``EvaluationError`` where the largest logit or the sum is not finite, or a logit is NaN (which makes
    ///   the sum NaN). `token` of the error is 0: only the caller knows where this is.
    public init(
        largest: Float, smallest: Float, sumOfExponentials: Double
    ) throws(EvaluationError) {
        guard largest.isFinite else {
            throw .notFinite(quantity: "largest logit", value: Double(largest), token: 0)
        }
        guard sumOfExponentials.isFinite else {
            throw .notFinite(quantity: "sum of exponentials", value: sumOfExponentials, token: 0)
        }
        leastLogit = max(smallest, largest - Self.range)
        minimum = leastLogit - largest - Float(log(sumOfExponentials))
        let scale = (largest - leastLogit) / 65535
        // Below 2^-126 the inverse overflows: logits that close are equal.
        let isDistinct = scale.isNormal
        self.scale = isDistinct ? scale : 0
        inverseScale = isDistinct ? 1 / scale : 0
    }

    /// The codes of a slice of the vocabulary.
    public func encode(_ logits: UnsafeBufferPointer<Float>, into codes: UnsafeMutableBufferPointer<UInt16>) {
        precondition(logits.count == codes.count, "\(logits.count) logits, \(codes.count) codes")
        // In 1.5 · 2^23 + x the unit in the last place is 1: the addition rounds x to an integer, ties to even,
        // which then stands in the low bits. NaN compares false and becomes 0.
        let magic: Float = 12_582_912
        for index in logits.indices {
            let position = inverseScale * (logits[index] - leastLogit)
            let clamped = position > 0 ? (position < 65535 ? position : 65535) : 0
            codes[index] = UInt16(truncatingIfNeeded: (clamped + magic).bitPattern)
        }
    }
}
