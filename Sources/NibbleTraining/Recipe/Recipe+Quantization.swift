public import NibbleNumerics
public import NibbleQuantization

extension Recipe {
    /// What the weights become, and how training sees it. The first five fields are those of `QuantizationPlan`.
    public struct Quantization: Sendable, Equatable {
        /// The type of the file that is trained for.
        public var type = QuantizationType.q4_0
        /// Whether every tensor gets the default type, the rules of the mixture left out.
        public var pure = false
        /// The type of the token embedding, tied or not; nil: as the plan has it.
        public var embeddingType: GGMLType?
        /// The type of the vocabulary head; nil: as the plan has it.
        public var outputType: GGMLType?
        /// Types by GGUF tensor name; the first pattern that matches wins.
        public var tensorTypes: [QuantizationPlan.Override] = []
        /// Where the scales of the blocks come from.
        public var scales = Scales.automatic
        /// The gradient of rounding and clipping.
        public var gradient = FakeQuantizeConfig.Gradient.identity
        /// Whether activations are quantized in training, too.
        public var activations = Activations.none
        /// Steps before fake quantization begins.
        public var startStep = 0

        /// The defaults.
        public init() {}

        /// The plan that conversion and fake quantization share.
        ///
        /// - Throws: ``TrainingError`` (`.invalidRecipe`) where a field of this section is out of range, as a
        ///   type that can be read but not written.
        public func plan() throws(TrainingError) -> QuantizationPlan {
            var recipe = Recipe()
            recipe.quantization = self
            try recipe.checkFields(of: "quantization", subject: "recipe")
            var plan = QuantizationPlan(type)
            plan.isPure = pure
            plan.embeddingType = embeddingType
            plan.outputType = outputType
            plan.overrides = tensorTypes
            return plan
        }
    }
}

extension Recipe.Quantization {
    /// Where the scales of the blocks come from.
    public enum Scales: String, CaseIterable, Sendable {
        /// Learned where all trained matrices are of types whose scales can be, else recomputed.
        case automatic = "auto"
        /// Chosen anew from the weights in each step, as the exporter chooses them.
        case recomputed
        /// Trained, and written to the file as learned.
        case learned
    }

    /// How activations are quantized in training.
    public enum Activations: String, CaseIterable, Sendable {
        /// Not at all.
        case none
        /// Fake quantization to int8 in blocks of 32, as llama.cpp computes with quantized weights.
        case int8
    }
}
