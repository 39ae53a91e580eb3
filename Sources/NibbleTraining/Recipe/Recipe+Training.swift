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
        /// The seed of the order of sequences, and of text that the teacher writes.
        public var seed: UInt64 = 1
        /// In which numbers products are computed.
        public var precision = Precision.automatic
        /// What is computed again in the backward pass rather than kept.
        public var recompute = Recompute.automatic

        /// Whether the student's weights are drawn within the cells of the grid that the teacher lies on.
        public var dither = Dithering.automatic
        /// What distinguishes one draw from another.
        public var ditherSeed: UInt64 = 1

        /// The shares of the kinds of text in the run; none: as much of each as there is.
        public var mixture: [Share] = []

        /// The defaults.
        public init() {}
    }
}

extension Recipe.Training {
    /// How much of a run is of a kind of text.
    public struct Share: Sendable, Equatable {
        /// The name that the text was given.
        public var name: String
        /// Its part, in relation to those of the other kinds.
        public var weight: Float

        /// A share of a kind of text.
        public init(_ name: String, _ weight: Float) {
            self.name = name
            self.weight = weight
        }
    }

    /// Weights that are trained together.
    public enum Parameters: String, CaseIterable, Sendable {
        /// The matrices of attention and feed-forward layers.
        case linear
        /// Norms and biases.
        case norms
        /// The token embedding, and the vocabulary head where it is a matrix of its own.
        case embedding
        /// The scales of the blocks of ``linear``, and of ``embedding`` where that is trained, too. Without ``linear`` its
        /// weights stay as they are.
        case scales
    }

    /// When the student's weights are dithered at the beginning.
    ///
    /// A checkpoint that was decoded from a quantized file lies on that file's grid, where many weights are
    /// exact ties of another grid: the smallest step flips them all the same way.
    public enum Dithering: String, CaseIterable, Sendable {
        /// Where the teacher lies on a grid that has ties of the student's.
        case automatic = "auto"
        /// In any case.
        case always
        /// In no case.
        case never
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

extension Recipe {
    /// In which numbers products are computed: the forward pass on int8 activations is that of the automatic precision;
    /// without, the faster of floats is taken where the recipe leaves it open.
    var productPrecision: Precision {
        guard quantization.activations == .none, train.precision == .automatic else { return train.precision }
        return .fasterFloat
    }
}
