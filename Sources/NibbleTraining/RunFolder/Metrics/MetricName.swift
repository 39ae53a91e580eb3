/// Names of figures that ``RunStatus`` looks for; a run may log any others beside them.
public enum MetricName {
    /// The step, first on every line.
    public static let step = "step"
    /// Training loss of the step.
    public static let loss = "loss"
    /// Loss on held-out text.
    public static let heldOutLoss = "held_out_loss"
}
