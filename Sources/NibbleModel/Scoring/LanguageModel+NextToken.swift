internal import NibbleCheckpoint
package import NibbleTensor

extension LanguageModel {
    /// The cross-entropy of a text, the mean of -log p of its tokens by those before them, and its gradient by the
    /// residual stream after the last block.
    ///
    /// - Parameters:
    ///   - sequences: token sequences of equal length, two tokens or more.
    ///   - stream: theirs after the last block.
    ///   - weight: what gradients are multiplied by: the share of these sequences in the whole.
    ///   - gradients: sees those of the last norm and the head where they are parameters.
    ///   - see: is given the inputs of the head, of all tokens but the last of each sequence, and -log p of what follows them.
    /// - Returns: the cross-entropy in nats a token, and the gradient; nil where a logit is NaN or infinite.
    package func crossEntropy(
        of sequences: [[Int32]], stream: Tensor, weight: Float, into gradients: Gradients,
        see: (_ states: Tensor, _ losses: [Float]) -> Void = { _, _ in }
    ) -> (loss: Double, gradient: Tensor)? {
        let length = stream.layout.length
        precondition(
            length > 1 && sequences.count == stream.layout.sequences,
            "\(sequences.count) sequences for a stream of \(stream.layout.sequences) of \(length) tokens")
        let tape = Tape(compute)
        let states = finalStates(stream, positions: 0..<length - 1, tape: tape)
        guard
            let (loss, losses, gradient) = compute.nextTokenLoss(
                states, head: head, softcap: finalLogitSoftcap, targets: sequences.flatMap { $0.dropFirst() },
                weight: weight, gradients: gradients)
        else { return nil }
        see(states, losses)
        guard let result = tape.backpropagate([(states, gradient)], to: [stream], into: gradients)[0] else {
            preconditionFailure("states are made of their stream")
        }
        return (loss, result)
    }
}
