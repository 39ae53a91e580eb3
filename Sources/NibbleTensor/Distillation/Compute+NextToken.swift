extension Compute {
    /// The cross-entropy of a text, mean -log p of its next tokens, and its gradient; no other model is asked.
    ///
    /// - Parameters:
    ///   - states: final states, the inputs of the vocabulary head, in a layout of one sequence.
    ///   - head: `[vocabulary, features]`; its gradient is added to `gradients` where it has a parameter.
    ///   - targets: the next token of each.
    ///   - weight: what the gradient is multiplied by: the share of these tokens in the whole.
    /// - Returns: nats a token in the mean, of each token, and the gradient of `states`; nil where a logit is NaN or infinite.
    package func nextTokenLoss(
        _ states: Tensor, head: Matrix, softcap: Float?, targets: [Int32], weight: Float = 1,
        gradients: Gradients
    ) -> (loss: Double, losses: [Float], gradient: Tensor)? {
        var loss = DistillationLoss()
        loss.crossEntropy = 1
        return distill(
            states, head: head, teacher: .cached(.none(of: targets.count)), softcap: softcap,
            targets: targets, loss: loss, weight: weight, gradients: gradients
        ).map { ($0.result.loss, $0.result.negativeLogLikelihoods, $0.gradient) }
    }
}

extension TeacherProbabilities {
    /// What stands for a teacher of `count` tokens where its divergence has no weight.
    fileprivate static func none(of count: Int) -> TeacherProbabilities {
        TeacherProbabilities(
            top: 1, ids: Array(repeating: 0, count: count), probabilities: Array(repeating: 0, count: count),
            tails: Array(repeating: 1, count: count))
    }
}
