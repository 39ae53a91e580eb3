public import NibbleCheckpoint
public import NibbleNumerics

extension QuantizationPlan {
    /// What a tensor of a model becomes in a GGUF file.
    public struct Assignment: Sendable, Equatable {
        /// What it is for.
        public var role: TensorRole
        /// Its GGUF name.
        public var name: String
        /// Extents in the file, slowest first.
        public var shape: [Int]
        /// The type in the file.
        public var type: GGMLType
        /// Why.
        public var reason: Reason
    }

    /// What all tensors of `model` become, in the order of the file: the same decisions that a conversion makes.
    public func assignments(for model: ModelCheckpoint) throws(CheckpointError) -> [Assignment] {
        let request = ConversionRequest(input: model.path, output: "plan.gguf", plan: self, threads: 1)
        return try GGUFJobs(request, model).jobs().map {
            Assignment(role: $0.role, name: $0.name, shape: $0.shape, type: $0.type, reason: $0.reason)
        }
    }
}
