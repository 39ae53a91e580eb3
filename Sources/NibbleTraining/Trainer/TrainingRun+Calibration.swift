internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleTokenizer

extension TrainingRun {
    /// Chooses the codes and scales that the first step begins with, from sequences all over the training text.
    ///
    /// - Returns: false where it was cancelled.
    func calibrate(
        preparing: (CalibrationProgress) -> Void, isCancelled: () -> Bool
    ) throws(CheckpointError) -> Bool {
        var options = recipe.calibration
        options.method = student.roundsByHessians(recipe) ? .gptq : .nearest
        let result = try Calibrator(
            reference: teacher, quantized: student.quantized,
            matrices: student.matrices.compactMap(\.calibrated), options: options
        ).run(
            sample(options.sequences), recomputes: recomputes, progress: preparing, isCancelled: isCancelled)
        guard result.isWhole else { return false }
        session.state.calibration = .init(
            tokens: result.tokens, textDigest: session.folder.identity.textDigest,
            methods: result.matrices.map { .init(tensor: $0.name, methods: $0.summary) })
        notes += result.notes
        for note in result.notes { try session.log(note) }
        try session.log("calibrated by \(options.method.rawValue) on \(result.tokens) tokens")
        return true
    }

    /// Whether the first step begins with anything but what the codec makes of the teacher's weights.
    var calibrates: Bool {
        student.scope.learnsScales
            && (student.roundsByHessians(recipe) || recipe.calibration.scales == .importance)
    }

    /// Some sequences, evenly spaced.
    private func sample(_ count: Int) -> [[Int32]] {
        let text = batches.text
        let count = min(count, text.sequenceCount)
        return (0..<count).map { text.sequence($0 * text.sequenceCount / count) }
    }
}

extension Student {
    /// Whether the weights that training begins with are rounded by GPTQ.
    func roundsByHessians(_ recipe: Recipe) -> Bool {
        guard scope.learnsScales else { return false }
        return switch recipe.calibration.method {
        case .nearest: false
        case .gptq: true
        case .automatic: recipe.quantization.startStep == 0
        }
    }
}
