/// How far the work is that comes before training.
public struct PreparationProgress: Sendable, Equatable {
    /// What is done.
    public enum Stage: String, Sendable {
        /// The teacher writes training text.
        case writingText = "writing text"
        /// The probabilities of the teacher are computed.
        case cachingTeacher = "caching the teacher"
    }

    /// What is done.
    public var stage: Stage
    /// Tokens done, those of earlier processes included.
    public var done: Int
    /// Tokens in all.
    public var total: Int

    /// Creates a progress.
    public init(stage: Stage, done: Int, total: Int) {
        self.stage = stage
        self.done = done
        self.total = total
    }
}
