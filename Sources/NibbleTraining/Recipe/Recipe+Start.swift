extension Recipe {
    /// Where training starts.
    public struct Start: Sendable, Equatable {
        /// Whether the student's weights are drawn within the cells of the grid that the teacher lies on.
        public var dither = Dithering.automatic
        /// What distinguishes one draw from another.
        public var ditherSeed: UInt64 = 1
        /// What is rounded at first.
        public var weights = StartWeights.automatic
        /// Where learned scales begin.
        public var scales = StartScales.importance
        /// How the tokens weigh that weights are rounded for.
        public var tokens = StartTokens.gradient
        /// The part of what rounding loses before a matrix that its weights make up for, where they are rounded with error
        /// feedback.
        public var compensation: Float = 0.5
        /// Sequences of the training text that the inputs of matrices are measured on.
        public var importanceSequences = 256

        /// The defaults.
        public init() {}
    }
}

extension Recipe.Start {
    /// When the student's start is dithered.
    ///
    /// A checkpoint that was decoded from a quantized file lies on that file's grid, where many weights are
    /// exact ties of another grid: the smallest step flips them all the same way.
    public enum Dithering: String, CaseIterable, Sendable {
        /// Where the teacher lies on a grid.
        case automatic = "auto"
        /// In any case.
        case always
        /// In no case.
        case never
    }

    /// What is rounded at first.
    public enum StartWeights: String, CaseIterable, Sendable {
        /// As with ``gptq`` where scales are learned from the first step on, else as with ``teacher``.
        case automatic = "auto"
        /// Weights that took over what the rounding errors of the weights before them do to the output of their row.
        case gptq
        /// The teacher's weights, dithered or not.
        case teacher
    }

    /// Where learned scales begin.
    public enum StartScales: String, CaseIterable, Sendable {
        /// At those that weigh the error of each column by the mean square of what flows into it.
        case importance
        /// At those that the codec chooses.
        case codec
    }

    /// How tokens weigh when weights are rounded with error feedback.
    public enum StartTokens: String, CaseIterable, Sendable {
        /// By the size of the gradients that flow back to the output of each matrix: what the loss feels of an error.
        case gradient
        /// All the same.
        case equal
    }
}
