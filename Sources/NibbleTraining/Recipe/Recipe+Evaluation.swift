extension Recipe {
    /// How progress is measured on text that is not trained on.
    public struct Evaluation: Sendable, Equatable {
        /// Steps between two evaluations; 0: none.
        public var every = 20
        /// Held-out sequences.
        public var chunks = 8
        /// Evaluations without progress before the run stops; nil: it goes to its end.
        public var patience: Int?

        /// The defaults.
        public init() {}
    }

    /// When the state of a run is saved.
    public struct Checkpoints: Sendable, Equatable {
        /// Steps between two saved states.
        public var every = 20
        /// Saved states that are kept, the latest ones.
        public var keep = 2

        /// The defaults.
        public init() {}
    }
}
