internal import NibbleCheckpoint

/// A run on disk: its folder, the state that was saved last, and figures in all the forms that are kept: lines of JSON,
/// TensorBoard's events, a log.
final class TrainingSession {
    let folder: RunFolder
    /// The state of the run now.
    var state = TrainingState()
    /// The step of the saved state that this goes on from; nil where it begins.
    private(set) var resumedAt: Int?
    /// The step of the state that was saved last; nil before the first.
    private(set) var savedStep: Int?
    /// What the user should know of saved states that are damaged.
    private(set) var notes: [String] = []
    private var records: (metrics: MetricsLog, events: EventWriter, text: RunLog)?

    /// Makes the folder of a run or opens it.
    ///
    /// - Throws: `TrainingError` (`mismatch`) where the folder is another run's, or in use; `CheckpointError` where it
    ///   cannot be read or written.
    init(_ request: TrainingRequest, _ identity: RunIdentity) throws {
        let exists = FilePath.exists(FilePath.join(request.output, RunFolder.Name.identity))
        folder =
            request.resumes && exists
            ? try RunFolder.open(path: request.output, expecting: identity)
            : try RunFolder.create(
                path: request.output, identity: identity, recipeYAML: request.recipe.yaml)
        folder.kept = request.recipe.checkpoints.keep
    }

    /// Puts the state that was saved last into `student`.
    ///
    /// - Throws: `TrainingError` or `CheckpointError` where it cannot be read.
    func restore(_ student: Student) throws {
        guard let saved = try folder.latest(warn: { notes.append($0) }) else { return }
        resumedAt = saved.step
        state = try TrainingState(saved, into: student)
        savedStep = state.step
        // Killed between the save and the mark.
        try markBest()
    }

    /// Whether the last evaluation was the best, and of this step.
    var isBest: Bool { state.best?.step == state.step && state.step > 0 }

    private func markBest() throws(CheckpointError) {
        guard isBest, let best = state.best else { return }
        try folder.markBest(step: best.step, value: best.divergence)
    }

    /// Saves state and student.
    func save(_ student: Student) throws(CheckpointError) {
        try state.save(student, to: folder)
        savedStep = state.step
        try markBest()
        try log("saved step \(state.step)")
    }

    // MARK: - Figures

    /// Opens the files of figures, at the state that was saved last.
    func openRecords() throws(CheckpointError) {
        records = (
            try MetricsLog(path: folder.metricsPath, resumingAt: savedStep),
            try EventWriter(folder: folder.path, resumingAt: savedStep), try RunLog(path: folder.logPath)
        )
    }

    /// Appends to the log, once it is open.
    func log(_ event: String) throws(CheckpointError) { try records?.text.write(event) }

    private func append(step: Int, _ values: KeyValuePairs<String, Double>) throws(CheckpointError) {
        try records?.metrics.append(step: step, values)
        try records?.events.append(step: step, values)
    }

    /// Appends the figures of a step.
    func append(_ progress: TrainingProgress, elapsed: Double) throws(CheckpointError) {
        try append(
            step: progress.step,
            [
                MetricName.loss: progress.loss, "divergence": progress.divergence,
                MetricName.learningRate: progress.learningRate,
                "gradient_norm": progress.gradientNorm,
                MetricName.speed: progress.tokensPerSecond, "seconds": elapsed,
            ])
    }

    /// Appends those of an evaluation of `state`.
    ///
    /// - Parameter prefix: of their names, where the step has another state, too.
    func append(_ score: HeldOutScore, of state: String, prefix: String = "") throws(CheckpointError) {
        try append(
            step: score.step,
            [
                prefix + MetricName.heldOutLoss: score.divergence,
                prefix + MetricName.heldOutPerplexity: score.perplexity,
                prefix + "held_out_perplexity_error": score.perplexityError,
                MetricName.teacherPerplexity: score.teacherPerplexity,
            ])
        try log(
            "step \(score.step), \(state): held-out perplexity \(score.perplexity) ± \(score.perplexityError) "
                + "(teacher \(score.teacherPerplexity)), divergence \(score.divergence)")
    }
}
