internal import NibbleCheckpoint

/// The figures of a run, step by step, read from its folder while a process may be training in it.
public struct RunHistory: Sendable, Equatable {
    /// A figure of a step; NaN where `null` was logged.
    public typealias Point = RunStatus.Point

    /// Training losses.
    public var losses: [Point]
    /// Divergences from the teacher on held-out text, in nats.
    public var heldOut: [Point]
    /// Perplexities on held-out text.
    public var perplexities: [Point]
    /// The divergence of weights that are rounded to nearest, before anything is calibrated or trained; nil where it was not
    /// measured.
    public var rounded: Double?
    /// The perplexity of the same weights.
    public var roundedPerplexity: Double?
    /// The teacher's perplexity on held-out text.
    public var teacherPerplexity: Double?
    /// Learning rates.
    public var learningRates: [Point]
    /// Tokens a second in each step.
    public var speeds: [Point]

    init(_ history: MetricsHistory) {
        func points(_ name: String) -> [Point] {
            history.series(name).map { Point(step: $0.step, value: $0.value) }
        }
        losses = points(MetricName.loss)
        heldOut = points(MetricName.heldOutLoss)
        perplexities = points(MetricName.heldOutPerplexity)
        /// Weights that nothing calibrates before the first step are rounded to nearest there.
        func start(_ name: String, _ own: [Point]) -> Double? {
            points(MetricName.rounded + name).first?.value ?? own.first { $0.step == 0 }?.value
        }
        rounded = start(MetricName.heldOutLoss, heldOut)
        roundedPerplexity = start(MetricName.heldOutPerplexity, perplexities)
        teacherPerplexity = points(MetricName.teacherPerplexity).last?.value
        learningRates = points(MetricName.learningRate)
        speeds = points(MetricName.speed)
    }

    /// The median of the last steps' speeds, in tokens a second; nil before the first.
    public var speed: Double? {
        let last = speeds.suffix(21).map(\.value).filter { $0.isFinite && $0 > 0 }.sorted()
        return last.isEmpty ? nil : last[last.count / 2]
    }
}
