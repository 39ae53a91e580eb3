public import NibbleTensor

extension Recipe {
    /// What is trained, on how much text.
    public struct Training: Sendable, Equatable {
        /// The weights that change; all others stay as they are.
        public var parameters: Set<Parameters> = [.linear, .norms]
        /// Updates of the weights.
        public var steps = 60
        /// Tokens of a sequence, a multiple of 32.
        public var sequenceLength = 512
        /// Sequences whose gradients are summed up in a step.
        public var sequencesPerStep = 4
        /// Where the random numbers start.
        public var seed: UInt64 = 1
        /// In which numbers products are computed.
        public var precision = Precision.automatic
        /// What is computed again in the backward pass rather than kept.
        public var recompute = Recompute.automatic

        /// The defaults.
        public init() {}
    }
}

extension Recipe.Training {
    /// Weights that are trained together.
    public enum Parameters: String, CaseIterable, Sendable {
        /// The matrices of attention and feed-forward layers.
        case linear
        /// The weights of norms.
        case norms
        /// The token embedding, which is the vocabulary head, too, where the two are tied.
        case embedding
        /// The scales of quantized blocks, where they are learned; alone: training of scales only.
        case scales
    }

    /// Gradient checkpointing: what is computed again in the backward pass rather than kept.
    public enum Recompute: String, CaseIterable, Sendable {
        /// Nothing.
        case none
        /// The activations within a block.
        case blocks
        /// Blocks where memory would not suffice, else nothing.
        case automatic = "auto"
    }
}
