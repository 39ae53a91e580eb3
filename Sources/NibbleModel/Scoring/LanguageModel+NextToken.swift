internal import NibbleCheckpoint
public import NibbleTensor

extension LanguageModel {
    /// Adds the gradients of a text's cross-entropy, the mean of -log p of its tokens by those before them.
    ///
    /// - Parameters:
    ///   - sequences: token sequences of equal length, two tokens or more.
    ///   - weight: what gradients are multiplied by: the share of these sequences in the whole.
    ///   - recomputes: whether blocks are computed again on the way back rather than kept.
    /// - Returns: the cross-entropy in nats a token.
    /// - Throws: `ModelError` where a token is beyond the vocabulary, or the model gives NaN or infinity.
    @discardableResult
    public func addCrossEntropyGradients(
        of sequences: [[Int32]], weight: Float = 1, recomputes: Bool = false, to gradients: Gradients
    ) throws(ModelError) -> Double {
        let length = sequences.first?.count ?? 0
        precondition(length > 1, "\(sequences.count) sequences of \(length) tokens")
        let tape = Tape(compute)
        let stream = try residual(sequences, tape: tape, recomputes: recomputes)
        let states = finalStates(stream, positions: 0..<length - 1, tape: tape)
        guard
            let (loss, gradient) = compute.nextTokenLoss(
                states, head: head, softcap: finalLogitSoftcap, targets: sequences.flatMap { $0.dropFirst() },
                weight: weight, gradients: gradients)
        else {
            try findNonFinite(sequences)
            throw nonFiniteHead
        }
        tape.backpropagate([(states, gradient)], into: gradients)
        return loss
    }
}
