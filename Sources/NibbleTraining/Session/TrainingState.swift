internal import NibbleCheckpoint
internal import NibbleTensor

/// What training goes on from: weights, moments, and what the end is decided by.
struct TrainingState {
    /// Steps done.
    var step = 0
    /// The evaluation of weights rounded to nearest, before calibration.
    var rounded: HeldOutScore?
    /// That of calibrated weights, before the first step.
    var calibrated: HeldOutScore?
    /// The last evaluation.
    var heldOut: HeldOutScore?
    /// The evaluation after a step with the smallest divergence.
    var best: HeldOutScore?
    /// Evaluations since then.
    var evaluationsSinceBest = 0
    /// Whether training ended before its last step.
    var stoppedEarly = false
    /// What a loss that runs away is told from.
    var convergence = ConvergenceCheck()
    /// What chose the codes before the first step; nil in states of one version ago.
    var calibration: Provenance.Calibration?
    /// The methods of calibration that did not run, in words.
    var calibrationNotes: [String] = []

    init() {}

    /// The last evaluation, if it was of the weights as they are now.
    var measured: HeldOutScore? { heldOut?.step == step ? heldOut : nil }

    /// Remembers an evaluation, and decides whether training goes on.
    mutating func judge(_ score: HeldOutScore, patience: Int?) {
        heldOut = score
        if score.divergence < best?.divergence ?? .infinity {
            best = score
            evaluationsSinceBest = 0
        } else {
            evaluationsSinceBest += 1
        }
        if let patience, evaluationsSinceBest >= patience { stoppedEarly = true }
    }

    /// What came of a run that ends in this state: one that held-out text ended goes back to its best.
    func summary(_ ending: TrainingSummary.Ending, _ meter: SpeedMeter, _ losses: [Double]) -> TrainingSummary
    {
        TrainingSummary(
            step: step, ending: ending, rounded: rounded, calibrated: calibrated,
            final: ending == .stoppedEarly ? best ?? measured : measured, best: best,
            calibrationNotes: calibrationNotes, tokensPerSecond: meter.mean,
            peakResidentBytes: ProcessMemory.peakResidentBytes, losses: losses)
    }

    // MARK: - Saved states

    /// Saves this and the student.
    func save(_ student: Student, to folder: RunFolder) throws(CheckpointError) {
        var tensors: [SavedTensor] = []
        for piece in student.statePieces {
            tensors.append(
                SavedTensor(
                    name: piece.name, shape: piece.shape, element: piece.element,
                    bytes: UnsafeRawBufferPointer(piece.memory.bytes)))
        }
        try folder.save(step: step, tensors: tensors, metadata: metadata)
    }

    /// Restores this and the student from a checkpoint.
    init(_ checkpoint: SavedCheckpoint, into student: Student) throws(CheckpointError) {
        for piece in student.statePieces {
            try checkpoint.copy(
                piece.name, shape: piece.shape, element: piece.element, into: piece.memory.bytes)
        }
        try student.prepare()
        step = checkpoint.step
        let metadata = checkpoint.metadata
        rounded = Self.score(metadata["rounded"] ?? metadata["start"])
        calibrated = Self.score(metadata["calibrated"])
        heldOut = Self.score(metadata["held_out"])
        best = Self.score(metadata["best"])
        evaluationsSinceBest = metadata["evaluations_since_best"].flatMap { Int($0) } ?? 0
        stoppedEarly = metadata["stopped_early"] == "true"
        convergence.runningLoss = metadata["running_loss"].flatMap { Double($0) } ?? 0
        convergence.firstLoss = metadata["first_loss"].flatMap { Double($0) } ?? 0
        calibrationNotes = metadata["calibration_notes"]?.split(separator: "\n").map(String.init) ?? []
        if let tokens = metadata["calibration_tokens"].flatMap({ Int($0) }), tokens >= 0 {
            calibration = .init(
                tokens: tokens, textDigest: metadata["calibration_text"],
                lines: metadata["calibration_methods"] ?? "")
        }
    }

    private var metadata: [String: String] {
        var result = [
            "evaluations_since_best": String(evaluationsSinceBest),
            "running_loss": String(convergence.runningLoss), "first_loss": String(convergence.firstLoss),
            "stopped_early": String(stoppedEarly),
        ]
        let scores = [
            ("rounded", rounded), ("calibrated", calibrated), ("held_out", heldOut), ("best", best),
        ]
        for (name, score) in scores {
            guard let score else { continue }
            result[name] =
                "\(score.step) \(score.perplexity) \(score.teacherPerplexity) \(score.divergence) "
                + "\(score.perplexityError)"
        }
        if !calibrationNotes.isEmpty {
            result["calibration_notes"] = calibrationNotes.joined(separator: "\n")
        }
        if let calibration {
            result["calibration_tokens"] = String(calibration.tokens)
            result["calibration_text"] = calibration.textDigest
            result["calibration_methods"] = calibration.lines
        }
        return result
    }

    private static func score(_ text: String?) -> HeldOutScore? {
        guard let parts = text?.split(separator: " "), parts.count >= 4, let step = Int(parts[0]),
            let perplexity = Double(parts[1]), let teacher = Double(parts[2]),
            let divergence = Double(parts[3])
        else { return nil }
        // States of one version ago have no error.
        let error = parts.count > 4 ? Double(parts[4]) : nil
        return HeldOutScore(
            step: step, perplexity: perplexity, perplexityError: error ?? .nan, teacherPerplexity: teacher,
            divergence: divergence)
    }
}
