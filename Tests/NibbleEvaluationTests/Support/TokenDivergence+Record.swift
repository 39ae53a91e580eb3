import Foundation

@testable import NibbleEvaluation

extension TokenDivergence {
    /// Compares a model's logits at one position with the base model's record: the reference of faster ways.
    ///
    /// As llama.cpp's `log_softmax` with `kl_divergence_result` (tools/perplexity/perplexity.cpp), in `Float` but for
    /// sums:
    ///
    ///     nll = max l + ln Σ exp(l - max l) - l_target       baseNll = -(scale · code_target + minimum)
    ///     divergence = Σ exp(b_i) (b_i - ln p_i)             over the tokens with b_i = scale · code_i + minimum > -16
    ///     probabilityDifference = exp(-nll) - exp(-baseNll)
    ///
    /// The most probable token is the first of equals. A NaN among the logits makes `nll` NaN, which
    /// ``DivergenceStatistics/add(_:)`` refuses.
    init(logits: UnsafeBufferPointer<Float>, base: LogitsRecord, target: Int) {
        precondition(logits.count == base.codes.count, "\(logits.count) logits, \(base.codes.count) codes")
        precondition(logits.indices.contains(target), "token \(target) of \(logits.count)")
        var top = 0
        for index in logits.indices where logits[index] > logits[top] { top = index }
        let largest = logits[top]
        var sum = 0.0
        for logit in logits { sum += Double(expf(logit - largest)) }
        // ln p = l - normalizer
        let normalizer = largest + Float(log(sum))

        var baseTop = 0
        var divergence = 0.0
        for index in logits.indices {
            if base.codes[index] > base.codes[baseTop] { baseTop = index }
            let logarithm = base.logProbability(of: index)
            if logarithm > -LogitsEncoding.range {
                divergence += Double(expf(logarithm) * (logarithm - logits[index] + normalizer))
            }
        }
        let nll = normalizer - logits[target]
        let baseNll = -base.logProbability(of: target)
        self.init(
            nll: Double(nll), baseNll: Double(baseNll), divergence: divergence,
            probabilityDifference: Double(expf(-nll) - expf(-baseNll)), sameTop: top == baseTop)
    }
}
