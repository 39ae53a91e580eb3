internal import NibbleCheckpoint

/// What training goes on from: weights, moments, and what the end is decided by.
struct TrainingState {
    /// Steps done.
    var step = 0
    /// The evaluation before the first step.
    var start: HeldOutScore?
    /// The last evaluation.
    var heldOut: HeldOutScore?
    /// The evaluation with the smallest divergence.
    var best: HeldOutScore?
    /// Evaluations since then.
    var evaluationsSinceBest = 0
    /// Whether training ended before its last step.
    var stoppedEarly = false
    /// Running mean of the loss, and the first of it, from which a loss that runs away is told.
    var runningLoss = 0.0
    var firstLoss = 0.0

    /// Saves this and the student.
    func save(_ student: Student, to folder: RunFolder) throws(CheckpointError) {
        var tensors: [SavedTensor] = []
        for piece in student.statePieces {
            tensors.append(
                SavedTensor(
                    name: piece.name, shape: piece.shape, element: .f32,
                    bytes: UnsafeRawBufferPointer(piece.memory.bytes)))
        }
        try folder.save(step: step, tensors: tensors, metadata: metadata)
    }

    /// Restores this and the student from a checkpoint.
    init(_ checkpoint: SavedCheckpoint, into student: Student) throws(CheckpointError) {
        for piece in student.statePieces {
            try checkpoint.copy(piece.name, shape: piece.shape, element: .f32, into: piece.memory.bytes)
        }
        try student.prepare()
        step = checkpoint.step
        start = Self.score(checkpoint.metadata, "start")
        heldOut = Self.score(checkpoint.metadata, "held_out")
        best = Self.score(checkpoint.metadata, "best")
        evaluationsSinceBest = checkpoint.metadata["evaluations_since_best"].flatMap { Int($0) } ?? 0
        stoppedEarly = checkpoint.metadata["stopped_early"] == "true"
        runningLoss = checkpoint.metadata["running_loss"].flatMap { Double($0) } ?? 0
        firstLoss = checkpoint.metadata["first_loss"].flatMap { Double($0) } ?? 0
    }

    init() {}

    private var metadata: [String: String] {
        var result = [
            "evaluations_since_best": String(evaluationsSinceBest), "running_loss": String(runningLoss),
            "first_loss": String(firstLoss), "stopped_early": String(stoppedEarly),
        ]
        for (name, score) in [("start", start), ("held_out", heldOut), ("best", best)] {
            guard let score else { continue }
            result[name] = "\(score.step) \(score.perplexity) \(score.teacherPerplexity) \(score.divergence)"
        }
        return result
    }

    private static func score(_ metadata: [String: String], _ name: String) -> HeldOutScore? {
        guard let parts = metadata[name]?.split(separator: " "), parts.count == 4, let step = Int(parts[0]),
            let perplexity = Double(parts[1]), let teacher = Double(parts[2]),
            let divergence = Double(parts[3])
        else { return nil }
        return HeldOutScore(
            step: step, perplexity: perplexity, teacherPerplexity: teacher, divergence: divergence)
    }
}

extension Student {
    /// A part of the state that is saved as a tensor.
    struct StatePiece {
        var name: String
        var shape: [Int]
        var memory: Memory
    }

    /// Masters and moments, in the order of the file. Weights that are not trained have no moments.
    var statePieces: [StatePiece] {
        matrices.flatMap { matrix in
            var parts = [("", matrix.masters)]
            if matrix.trainsWeights { parts += [(".m", matrix.firstMoments), (".v", matrix.secondMoments)] }
            let pieces = parts.map {
                StatePiece(name: matrix.name + $0.0, shape: [matrix.rows, matrix.columns], memory: $0.1)
            }
            guard let scales = matrix.scales else { return pieces }
            return pieces
                + [
                    (".scales", scales.masters), (".scales.m", scales.firstMoments),
                    (".scales.v", scales.secondMoments),
                ].map {
                    StatePiece(
                        name: matrix.name + $0.0, shape: [matrix.rows, scales.perRow], memory: $0.1)
                }
        }
            + vectors.flatMap { vector in
                [("", vector.masters), (".m", vector.firstMoments), (".v", vector.secondMoments)].map {
                    StatePiece(name: vector.name + $0.0, shape: [vector.count], memory: $0.1)
                }
            }
    }
}
