/// Names of figures that ``RunStatus`` looks for; a run may log any others beside them.
enum MetricName {
    /// The step, first on every line.
    static let step = "step"
    /// Training loss of the step.
    static let loss = "loss"
    /// Loss on held-out text.
    static let heldOutLoss = "held_out_loss"
}
