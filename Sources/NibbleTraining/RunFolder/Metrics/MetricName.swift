/// Names of figures that ``RunHistory`` looks for; a run may log any others beside them.
enum MetricName {
    /// The step, first on every line.
    static let step = "step"
    /// Training loss of the step.
    static let loss = "loss"
    /// Loss on held-out text.
    static let heldOutLoss = "held_out_loss"
    /// Perplexity on it.
    static let heldOutPerplexity = "held_out_perplexity"
    /// The teacher's.
    static let teacherPerplexity = "teacher_perplexity"
    /// What names of figures begin with that are of weights rounded to nearest.
    static let rounded = "rounded_"
    /// Learning rate of the step.
    static let learningRate = "learning_rate"
    /// Tokens a second.
    static let speed = "tokens_per_second"
}
