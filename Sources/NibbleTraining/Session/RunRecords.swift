internal import NibbleCheckpoint

/// The figures of a run, in all the forms that are kept: lines of JSON, TensorBoard's events, a log.
final class RunRecords {
    private let metrics: MetricsLog
    private let events: EventWriter
    private let text: RunLog

    /// - Parameter step: that of the state which the run goes on from; nil where nothing was saved.
    init(_ folder: RunFolder, resumingAt step: Int?) throws(CheckpointError) {
        metrics = try MetricsLog(path: folder.metricsPath, resumingAt: step)
        events = try EventWriter(folder: folder.path, resumingAt: step)
        text = try RunLog(path: folder.logPath)
    }

    func log(_ event: String) throws(CheckpointError) { try text.write(event) }

    func append(_ progress: TrainingProgress, elapsed: Double) throws(CheckpointError) {
        let values: [MetricsHistory.Value] = [
            .init(MetricName.loss, progress.loss), .init("divergence", progress.divergence),
            .init("learning_rate", progress.learningRate), .init("gradient_norm", progress.gradientNorm),
            .init("tokens_per_second", progress.tokensPerSecond), .init("seconds", elapsed),
        ]
        try metrics.append(step: progress.step, values)
        try events.append(step: progress.step, values)
    }

    func append(_ score: HeldOutScore) throws(CheckpointError) {
        let values: [MetricsHistory.Value] = [
            .init(MetricName.heldOutLoss, score.divergence), .init("held_out_perplexity", score.perplexity),
            .init("held_out_perplexity_error", score.perplexityError),
            .init("teacher_perplexity", score.teacherPerplexity),
        ]
        try metrics.append(step: score.step, values)
        try events.append(step: score.step, values)
        try text.write(
            "step \(score.step): held-out perplexity \(score.perplexity) ± \(score.perplexityError) (teacher \(score.teacherPerplexity)), "
                + "divergence \(score.divergence)")
    }
}
