/// What rounding the weights of a model with error feedback came to.
public struct FeedbackRounding: Sendable, Equatable {
    /// A matrix that keeps its weights, rounded to nearest.
    public struct Unrounded: Sendable, Equatable {
        /// Its GGUF name.
        public var name: String
        /// Why, as the end of a sentence: `its inputs are all zero`.
        public var reason: String
    }

    /// Whether it went through all blocks of the model; where it did not, weights are of no use.
    public var isWhole = false
    /// Matrices without a factor of their inputs' products, in the order of blocks.
    public var unrounded: [Unrounded] = []

    /// In words; nil where all matrices were rounded with feedback.
    public var note: String? {
        guard let first = unrounded.first else { return nil }
        let (subject, those) =
            unrounded.count == 1
            ? ("1 matrix begins", "it") : ("\(unrounded.count) matrices begin", "the first")
        return
            "\(subject) rounded to nearest, without error feedback; \(those) is '\(first.name)': \(first.reason)"
    }
}
