extension Recipe {
    /// How gradients become changes of weights.
    public struct Optimizer: Sendable, Equatable {
        /// The method.
        public var kind = Kind.adamW
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
        /// The norm that all gradients together are scaled down to; nil: no clipping.
        public var clipNorm: Float?

        /// The defaults.
        public init() {}
    }
}

extension Recipe.Optimizer {
    /// A method of optimization.
    public enum Kind: String, CaseIterable, Sendable {
        /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
        case adamW = "adamw"
    }
}
