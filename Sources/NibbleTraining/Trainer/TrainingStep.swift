internal import NibbleCalibration
internal import NibbleModel
internal import NibbleTensor

extension Recipe {
    /// Sequences that pass through the models together. Where matrices are updated on the way back, all of a step: of a part
    /// of them no gradient is whole.
    var sequencesAtATime: Int {
        switch optimizer.state {
        case .f32: Calibrator.sequencesAtATime(length: train.sequenceLength)
        case .int8: train.sequencesPerStep
        }
    }
}

/// One step without its update: a batch through teacher and student, gradients and figures out.
struct TrainingStep {
    /// How a part of the batch passes through both models.
    let pass: DistillationPass
    /// Sequences that pass together.
    let atATime: Int

    /// What a step came to.
    struct Figures {
        /// Tokens of the batch.
        var tokens = 0
        /// Mean loss.
        var loss = 0.0
        /// Mean KL(teacher || student), in nats.
        var divergence = 0.0
    }

    /// Adds the gradients of a batch to `gradients`.
    ///
    /// - Parameters:
    ///   - indices: the numbers of its sequences.
    ///   - sequence: the tokens of one.
    ///   - cached: the teacher's probabilities of some, where they are cached.
    /// - Throws: `ModelError` where a model gives NaN or infinity, `CheckpointError` where a cache is damaged.
    func run(
        _ indices: [Int], sequence: (Int) -> [Int32], cached: CachedTeacher?, into gradients: Gradients
    ) throws -> Figures {
        var figures = Figures()
        for start in stride(from: 0, to: indices.count, by: atATime) {
            let part = Array(indices[start..<min(start + atATime, indices.count)])
            let share = Double(part.count) / Double(indices.count)
            let sequences = part.map(sequence)
            let result = try pass.run(
                sequences, cached: try cached?.probabilities(sequences: part), weight: Float(share),
                into: gradients)
            figures.tokens += sequences.reduce(0) { $0 + $1.count }
            figures.loss += share * result.loss
            figures.divergence += share * result.divergence
        }
        return figures
    }
}
