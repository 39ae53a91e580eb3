internal import CLibrary

/// Rotary scaling by YaRN (Peng et al. 2023, "YaRN: Efficient Context Window Extension of Large Language Models"):
/// slow frequencies are divided by a factor, fast ones kept, with a ramp between, and attention is sharpened.
///
/// The formula is that of llama.cpp (`ggml_rope_yarn_corr_dims`, `rope_yarn`) and of `transformers`
/// (`_compute_yarn_parameters`), which agree.
public struct YaRN: Sendable, Equatable {
    /// What slow frequencies are divided by.
    public var factor: Double
    /// Tokens that the model was trained on before it was stretched.
    public var originalContext: Int
    /// What cosines and sines are multiplied with; nil for the paper's ``usualAttentionFactor``.
    public var attentionFactor: Double?
    /// Turns within the original context from which on a frequency is kept; llama.cpp has no other than 32.
    public var betaFast = 32.0
    /// Turns up to which a frequency is divided by the whole factor; llama.cpp has no other than 1.
    public var betaSlow = 1.0
    /// Whether the ends of the ramp are rounded to whole pairs; llama.cpp always does.
    public var truncates = true

    /// 0.1 ln(factor) + 1 (equation 22 of the paper), 1 for factors up to 1.
    public var usualAttentionFactor: Double { factor <= 1 ? 1 : 0.1 * log(factor) + 1 }

    /// What cosines and sines are multiplied with.
    public var magnitude: Double { attentionFactor ?? usualAttentionFactor }

    /// Radians a position of each rotary pair, from those of the model without scaling.
    ///
    /// - Parameters:
    ///   - frequencies: base^(-2i / head) for each pair i.
    ///   - base: base of the rotary embedding.
    package func scaled(_ frequencies: [Float], base: Double) -> [Float] {
        let width = Double(2 * frequencies.count)
        /// The pair that turns `rotations` times within the original context.
        func pair(_ rotations: Double) -> Double {
            width * log(Double(originalContext) / (rotations * 2 * .pi)) / (2 * log(base))
        }
        var (low, high) = (pair(betaFast), pair(betaSlow))
        if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        (low, high) = (max(low, 0), min(high, width - 1))
        return frequencies.enumerated().map { index, frequency in
            let position = (Double(index) - low) / max(0.001, high - low)
            let kept = Float(1 - min(max(position, 0), 1))
            return frequency / Float(factor) * (1 - kept) + frequency * kept
        }
    }
}
