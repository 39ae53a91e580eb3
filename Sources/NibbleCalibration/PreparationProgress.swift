/// How far work is that comes before a model is written or trained.
public struct PreparationProgress: Sendable, Equatable {
    /// What is done.
    public struct Stage: Sendable, Hashable {
        /// In words: `rounding weights`.
        public let name: String
        /// What is counted: `tokens`.
        public let unit: String

        /// Creates a stage.
        package init(_ name: String, unit: String) { (self.name, self.unit) = (name, unit) }

        /// Gradients tell how much each token matters to each matrix.
        public static let weighingTokens = Stage("weighing tokens", unit: "tokens")
        /// The model writes text.
        public static let writingText = Stage("writing text", unit: "tokens")
        /// What types cost matrices is measured.
        public static let surveyingTypes = Stage("measuring what types cost", unit: "blocks of the model")
        /// What held-out text makes of the result is measured.
        public static let measuring = Stage("measuring on held-out text", unit: "texts")
        /// The vocabulary's matrices are rounded.
        public static let roundingVocabulary = Stage("rounding the vocabulary", unit: "rows")
        /// Weights are rounded.
        public static let roundingWeights = Stage("rounding weights", unit: "blocks of the model")
    }

    /// What is done.
    public var stage: Stage
    /// How much of it, what earlier processes did included.
    public var done: Int
    /// How much there is in all.
    public var total: Int
    /// Time that is left of the whole work, where that can be told.
    public var remaining: Duration?
    /// The error of the rounded model's residual streams behind the last sublayer that is rounded, as a share of their size.
    public var error: Double?

    /// Creates a progress.
    package init(stage: Stage, done: Int, total: Int) {
        self.stage = stage
        self.done = done
        self.total = total
    }
}
