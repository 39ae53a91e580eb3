extension Recipe {
    /// How gradients become changes of weights.
    public struct Optimizer: Sendable, Equatable {
        /// The method.
        public var kind = Kind.adamW
        /// In what weights and moments are kept from step to step.
        public var state = State.f32
        /// The peak learning rate of weights whose scales are recomputed.
        public var learningRate: Float = 2e-5
        /// The peak learning rate of weights whose scales are learned, in steps between two codes.
        public var codeLearningRate: Float = 0.02
        /// The peak learning rate of learned scales, as a share of the scale.
        public var scaleLearningRate: Float = 0.001
        /// The peak learning rate of norms and biases.
        public var normLearningRate: Float = 1e-4
        /// Whether ``learningRate`` is multiplied by the mean magnitude of its weights, as a multiple
        /// of that of all matrices: then weights of all matrices move by like parts of their quantization steps.
        public var relativeRates = true
        /// Decay of the mean of gradients.
        public var beta1: Float = 0.9
        /// Decay of the mean of squared gradients.
        public var beta2: Float = 0.98
        /// What is added to the root of the mean of squared gradients.
        public var epsilon: Float = 1e-8
        /// The share of a weight that is taken off it in a step, times the learning rate.
        public var weightDecay: Float = 0
        /// Gradient clipping: the bound of the global gradient norm, or, where matrices are updated on the way back, of each its
        /// share (`FusedUpdate`); nil: none.
        public var clipNorm: Float?

        /// The defaults.
        public init() {}
    }
}

extension Recipe.Optimizer {
    /// In what weights and moments are kept from step to step.
    public enum State: String, CaseIterable, Sendable {
        /// All in F32: 12 bytes a weight beside its blocks.
        case f32
        /// Moments in 8 bits by block (Dettmers et al. 2021); of weights whose codes are held their way within the cell,
        /// in 8 bits, of others BF16, both rounded stochastically: 3 and 4 bytes a weight beside its blocks.
        case int8
    }

    /// A method of optimization.
    public enum Kind: String, CaseIterable, Sendable {
        /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
        case adamW = "adamw"
    }
}
