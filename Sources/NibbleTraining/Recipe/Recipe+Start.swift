extension Recipe {
    /// Where training starts.
    public struct Start: Sendable, Equatable {
        /// Whether the student's weights are drawn within the cells of the grid that the teacher lies on.
        public var dither = Dithering.automatic
        /// What distinguishes one draw from another.
        public var ditherSeed: UInt64 = 1
        /// Where learned scales begin.
        public var scales = StartScales.importance
        /// Sequences of the training text that the importance of columns is measured on.
        public var importanceSequences = 24

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

    /// Where learned scales begin.
    public enum StartScales: String, CaseIterable, Sendable {
        /// At those that weigh the error of each column by the mean square of what flows into it.
        case importance
        /// At those that the codec chooses.
        case codec
    }
}
