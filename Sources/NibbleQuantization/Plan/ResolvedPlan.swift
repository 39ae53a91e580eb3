public import NibbleCheckpoint
public import NibbleNumerics

/// What a plan comes to for one model: a format for each tensor.
///
/// ```swift
/// let plan = try QuantizationPlan(.q4_k_m).resolve(model)
/// for tensor in plan.tensors { print(tensor.name, tensor.shape, tensor.format) }
/// ```
public struct ResolvedPlan: Sendable {
    /// The tensors in the order of a GGUF file, as llama-quantize has it: outside of blocks first, then block by block,
    /// names in alphabetical order. Those that a GGUF file has and the source has not are among them.
    public let tensors: [PlannedTensor]
    /// Overrides of the plan that name no tensor which is quantized: a slip, or the names of another model.
    public let unusedOverrides: [QuantizationPlan.Override]
    private let places: [TensorRole: Int]

    init(_ tensors: [PlannedTensor], overrides: [QuantizationPlan.Override]) {
        self.tensors = tensors
        places = Dictionary(tensors.indices.map { (tensors[$0].role, $0) }) { first, _ in first }
        let names = tensors.filter { $0.reason != .kept }.map(\.name)
        unusedOverrides = overrides.filter { override in !names.contains(where: override.matches) }
    }

    /// The tensor of a role; nil where the model has none.
    public subscript(role: TensorRole) -> PlannedTensor? { places[role].map { tensors[$0] } }
}

/// What one tensor of a model becomes.
public struct PlannedTensor: Sendable {
    /// What it is for.
    public let role: TensorRole
    /// Its GGUF name, for ``QuantizationPlan/overrides``.
    public let name: String
    /// Extents, slowest first; rows that pad the vocabulary left out.
    public let shape: [Int]
    /// The format that it has where it is not quantized.
    public let kept: WeightFormat
    /// The format that it gets.
    public internal(set) var format: WeightFormat
    /// Why.
    public let reason: QuantizationPlan.Reason
    /// Where its values come from.
    public internal(set) var source: TensorSource
}
