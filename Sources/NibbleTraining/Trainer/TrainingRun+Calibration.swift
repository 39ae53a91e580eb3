internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

extension TrainingRun {
    /// Chooses the codes and scales that the first step begins with, from sequences all over the training text.
    ///
    /// - Returns: false where it was cancelled; what was done is kept for the next time.
    func calibrate(
        _ options: CalibrationOptions, preparing: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws(CheckpointError) -> Bool {
        guard let plan = memory.calibrationPlan else { preconditionFailure("calibration is planned for") }
        let scratch = try CalibrationScratch(
            path: session.folder.calibrationPath,
            identity: [
                .init("run", .string(session.folder.identity.recipeDigest)),
                .init("arithmetic", .string(teacher.compute.arithmetic)),
                .init("memory", .string(plan.identity)),
            ])
        let found: [CalibratedMatrices]
        do throws(CheckpointError) {
            found = try Calibrator(
                reference: teacher, matrices: [student.quantizedMatrices], options: options, plan: plan
            ).run(
                batches.text.sample(options.sequences, shares: batches.shares), scratch: scratch,
                progress: preparing,
                isCancelled: isCancelled)
        } catch {
            if error.code == .cancelled { return false }
            throw error
        }
        let result = found[0].result
        for matrix in student.matrices {
            guard let tensor = student.plan[matrix.role], let rows = try found[0].rows(of: tensor) else {
                continue
            }
            let isNearest = result.matrices.first { $0.name == matrix.name }?.methods.last == .nearest
            withExtendedLifetime(rows.file) {
                matrix.take(rows.bytes, keepingMasters: isNearest, student.compute)
            }
        }
        remember(result)
        notes += result.notes
        for note in result.notes { try session.log(note) }
        let method = options.method == .gptq ? "gptq" : "importance"
        try session.log("calibrated by \(method) on \(result.tokens) tokens")
        return true
    }

    /// What there is to say where weights are not calibrated: of all that are trained, why not, if the recipe asks for it.
    var uncalibrated: CalibrationResult {
        let start = recipe.quantization.startStep
        let reason =
            student.scope.learnsScales && start > 0
            ? "quantization.start_step is \(start)" : student.scope.obstacle
        let isNearest = recipe.calibration.method == .nearest
        guard let reason, !isNearest || recipe.calibration.scales == .importance else { return .init() }
        return .init(student.matrices.map(\.name), without: isNearest ? .importance : .gptq, reason)
    }

    /// Keeps for export and summary what calibration did.
    func remember(_ result: CalibrationResult) {
        session.state.calibration = record(result)
        session.state.calibrationNotes = result.notes
    }

    /// What ran on each matrix that is quantized; all else but what `result` says is rounded to nearest.
    private func record(_ result: CalibrationResult) -> Provenance.Calibration {
        let trained = Set(student.matrices.map(\.name))
        let quantized = student.plan.tensors.filter {
            $0.format.isQuantized && ($0.format != $0.source.format || trained.contains($0.name))
        }
        return result.record(of: quantized, textDigest: session.folder.identity.textDigest)
    }
}
