internal import NibbleTokenizer

extension Recipe {
    /// How progress is measured on text that is not trained on.
    public struct Evaluation: Sendable, Equatable {
        /// Steps between two evaluations; 0: none.
        public var every = 30
        /// Held-out sequences; nil: ``defaultChunks``, or so many that an eighth of the training text, and of none of its kinds
        /// more, is held out.
        public var chunks: Int?
        /// Evaluations without progress before the run stops; nil: it goes to its end.
        public var patience: Int?

        /// Held-out sequences, where a recipe says no number. docs/qat-results.md: on 24, differences of 0.002 in the divergence
        /// may be chance.
        public static let defaultChunks = 64

        /// The defaults.
        public init() {}

        /// Sequences to take out of a text.
        ///
        /// - Parameter shares: of each of its kinds, where it is taken by kinds.
        func count(takenFrom text: TokenSequences, shares: TextShares?) -> Int {
            guard let shares else { return count(takenFrom: text.sequenceCount) }
            let most = text.kinds.enumerated().map { Double($1.sequences.count) / shares.share(of: $0) }
            return count(takenFrom: Int(most.min() ?? 0))
        }

        /// Sequences to take out of so many.
        func count(takenFrom sequences: Int) -> Int {
            chunks ?? min(Self.defaultChunks, max(1, sequences / 8))
        }

        /// Sequences to write for it beside those that are trained on, so that as many are taken out again.
        func count(beside sequences: Int) -> Int {
            chunks ?? min(Self.defaultChunks, max(1, sequences / 7))
        }
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
