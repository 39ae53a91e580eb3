internal import NibbleCheckpoint
public import NibbleModel
public import NibbleTensor

/// One batch through teacher and student, and the student's gradients.
public struct DistillationPass: Sendable {
    /// The unquantized model.
    public let teacher: LanguageModel
    /// The model that is trained.
    public let student: LanguageModel
    /// How their probabilities are compared.
    public var loss: DistillationLoss
    /// Whether blocks are computed again on the way back rather than kept.
    public var recomputes: Bool

    /// Creates a pass.
    public init(
        teacher: LanguageModel, student: LanguageModel, loss: DistillationLoss = .init(),
        recomputes: Bool = false
    ) {
        self.teacher = teacher
        self.student = student
        self.loss = loss
        self.recomputes = recomputes
    }

    /// Adds the gradients of a batch to `gradients`.
    ///
    /// - Parameters:
    ///   - sequences: token sequences of equal length.
    ///   - weight: the share of the batch in the step.
    /// - Throws: `ModelError.nonFinite` where teacher or student give NaN or infinity.
    public func run(
        _ sequences: [[Int32]], weight: Float = 1, into gradients: Gradients
    ) throws(ModelError) -> DistillationLoss.Result {
        let compute = student.compute
        let length = sequences.first?.count ?? 0
        // With cross-entropy only positions that a token follows count.
        let positions = 0..<(loss.crossEntropy > 0 ? length - 1 : length)
        let targets = sequences.flatMap { sequence in
            positions.map { $0 + 1 < length ? sequence[$0 + 1] : sequence[$0] }
        }
        let base = teacher.finalStates(try teacher.residual(sequences), positions: positions)
        let tape = Tape(compute)
        let stream = try student.residual(sequences, tape: tape, recomputes: recomputes)
        let states = student.finalStates(stream, positions: positions, tape: tape)
        guard
            let (result, gradient) = compute.distill(
                states, head: student.vocabularyMatrix, teacher: .live(states: base, head: teacher.vocabularyMatrix),
                softcap: student.finalLogitSoftcap, targets: targets, loss: loss, weight: weight,
                gradients: gradients)
        else {
            let layers = student.configuration.layerCount
            throw .nonFinite(layer: layers, layerCount: layers, path: student.path)
        }
        tape.backpropagate([(states, gradient)], into: gradients)
        return result
    }
}
