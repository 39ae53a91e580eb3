/// How far the work is that comes before training.
public struct PreparationProgress: Sendable, Equatable {
    /// What is done.
    public enum Stage: String, Sendable {
        /// The teacher writes training text.
        case writingText = "writing text"
        /// The probabilities of the teacher are computed.
        case cachingTeacher = "caching the teacher"
        /// Gradients tell how much each token matters to the weights that training begins with.
        case weighingTokens = "weighing tokens"
        /// The weights that training begins with are rounded.
        case roundingWeights = "rounding weights"

        /// What is counted.
        public var unit: String { self == .roundingWeights ? "blocks of the model" : "tokens" }
    }

    /// What is done.
    public var stage: Stage
    /// Tokens, or what else is the stage's unit, done, those of earlier processes included.
    public var done: Int
    /// As many in all.
    public var total: Int

    /// Creates a progress.
    public init(stage: Stage, done: Int, total: Int) {
        self.stage = stage
        self.done = done
        self.total = total
    }
}
