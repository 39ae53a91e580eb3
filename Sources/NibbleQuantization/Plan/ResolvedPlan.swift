public import NibbleCheckpoint

/// What a plan comes to for one model: a format for each tensor.
///
/// ```swift
/// let plan = try QuantizationPlan(.q4_k_m).resolve(model)
/// for tensor in plan.tensors { print(tensor.name, tensor.shape, tensor.format) }
/// ```
public struct ResolvedPlan: Sendable {
    /// The tensors in the order of a GGUF file, as llama-quantize has it: outside of blocks first, then block by block,
    /// names in alphabetical order; with `rope_freqs`, which a hub folder lacks.
    public let tensors: [PlannedTensor]
    let overrides: [QuantizationPlan.Override]

    init(_ tensors: [PlannedTensor], overrides: [QuantizationPlan.Override]) {
        self.tensors = tensors
        self.overrides = overrides
    }

    /// Overrides of the plan that name no tensor which is quantized: a slip, or the names of another model.
    public var unusedOverrides: [QuantizationPlan.Override] {
        let names = tensors.filter { $0.reason != .kept }.map(\.name)
        return overrides.filter { override in !names.contains(where: override.matches) }
    }

    /// The tensor of a role; nil where the model has none.
    public subscript(role: TensorRole) -> PlannedTensor? { tensors.first { $0.role == role } }
}
