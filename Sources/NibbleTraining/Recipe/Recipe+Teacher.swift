extension Recipe {
    /// Where the probabilities of the unquantized model come from.
    public struct Teacher: Sendable, Equatable {
        /// Whether the teacher is at hand in training.
        public var kind = Kind.live
        /// Probabilities that are kept of a token, where they are cached.
        public var topK = 256

        /// The defaults.
        public init() {}
    }
}

extension Recipe.Teacher {
    /// Whether the teacher is at hand in training.
    public enum Kind: String, CaseIterable, Sendable {
        /// The teacher computes all probabilities in each step.
        case live
        /// The largest probabilities of each token were computed before.
        case cached
    }
}
