package import NibbleCheckpoint
package import NibbleModel
internal import NibbleNumerics
package import NibbleQuantization
internal import NibbleTensor

/// The matrices of a model that a plan quantizes: what they are made of, and what they become where each weight is
/// rounded to the nearest code.
package struct QuantizedMatrices: Sendable {
    /// In the order of the plan.
    package let tensors: [PlannedTensor]
    /// Those of blocks whose codes and scales are chosen by calibration.
    package let calibrated: [PlannedTensor]
    /// Those of the vocabulary of which that was asked for.
    package let vocabulary: [PlannedTensor]
    /// Their weights.
    package let weights: any WeightSource
    /// What to do about a weight that its format cannot hold, given the GGUF name of its matrix.
    package let advice: @Sendable (_ name: String) -> String
    private let byRole: [TensorRole: PlannedTensor]
    /// A model whose matrices outside of blocks are rounded, where there is one already.
    private let rounded: LanguageModel?

    /// The matrices of a plan.
    ///
    /// - Parameters:
    ///   - calibrates: whether codes and scales of a matrix are chosen by calibration.
    ///   - rounded: a model whose matrices outside of blocks are rounded, where there is one already.
    package init(
        _ plan: ResolvedPlan, weights: any WeightSource, rounded: LanguageModel? = nil,
        calibrates: (PlannedTensor) -> Bool, advice: @escaping @Sendable (_ name: String) -> String
    ) {
        tensors = plan.tensors.filter {
            guard $0.source.shape.count == 2, $0.role.part == .weight else { return false }
            return $0.format != $0.source.format || calibrates($0)
        }
        calibrated = tensors.filter { calibrates($0) && $0.role.layer != nil }
        vocabulary = tensors.filter { calibrates($0) && $0.role.isVocabulary }
        self.weights = weights
        self.rounded = rounded
        self.advice = advice
        byRole = Dictionary(tensors.map { ($0.role, $0) }) { first, _ in first }
    }

    /// The matrix of a role; nil where the plan leaves it as it is.
    package subscript(role: TensorRole) -> PlannedTensor? { byRole[role] }

    /// `model` with the matrices of a block rounded to nearest.
    func round(_ layer: Int, of model: LanguageModel) throws(CheckpointError) -> LanguageModel {
        var matrices: [TensorRole: Matrix] = [:]
        for kind in Sublayer.inputGroups.flatMap(\.kinds) {
            let role = TensorRole(kind, layer: layer)
            guard let tensor = byRole[role] else { continue }
            matrices[role] = try nearest(tensor, compute: model.compute)
        }
        return model.replacing(matrices)
    }

    /// `model` with the vocabulary's matrices rounded.
    ///
    /// - Parameter rows: gives the encoded rows of those that were calibrated; all others are rounded to nearest.
    func roundVocabulary(
        of model: LanguageModel,
        rows: (PlannedTensor) throws(CheckpointError) -> (bytes: UnsafeRawBufferPointer, file: MappedFile)? =
            { _ in nil }
    ) throws(CheckpointError) -> LanguageModel {
        var matrices: [TensorRole: Matrix] = [:]
        for tensor in tensors where tensor.role.isVocabulary {
            if let kept = try rows(tensor) {
                matrices[tensor.role] = tensor.encoded(kept.bytes, of: kept.file)
            } else if rounded == nil {
                matrices[tensor.role] = try nearest(tensor, compute: model.compute)
            }
        }
        return (rounded ?? model).replacing(matrices)
    }

    /// A matrix with each weight rounded to the nearest code.
    func nearest(
        _ tensor: PlannedTensor, compute: Compute
    ) throws(CheckpointError) -> Matrix {
        try tensor.roundedToNearest(weights, advice: advice(tensor.name), compute: compute)
    }
}

extension Sequence<QuantizedMatrices> {
    /// The matrices of blocks whose codes and scales are chosen by calibration in any of some quantized models, once each.
    var calibratedOnce: [PlannedTensor] {
        var seen: Set<TensorRole> = []
        return flatMap(\.calibrated).filter { seen.insert($0.role).inserted }
    }
}
