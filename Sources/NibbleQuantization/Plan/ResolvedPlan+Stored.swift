internal import NibbleCheckpoint
internal import NibbleNumerics

extension ResolvedPlan {
    /// The plan for a source that is quantized, and goes from one form to another: matrices that a rule of the mixture would
    /// give another type keep the one that they have; and where more are stored as `whole` than as its sibling with minima,
    /// which llama-quantize takes for a few, these stay what they are, too.
    ///
    /// - Parameters:
    ///   - whole: the format of matrices that no rule changes.
    ///   - isPure: whether it is that of all.
    func keepingStored(_ whole: WeightFormat, isPure: Bool) -> ResolvedPlan {
        guard !isPure, let type = whole.ggmlType, type.isQuantized else { return self }
        let sibling = type.siblingWithMinima
        let isMinority = tensors.count { $0.isStored(as: type) } > tensors.count { $0.isStored(as: sibling) }
        let kept = tensors.map { tensor in
            guard case .stored(let entry) = tensor.source, entry.type.isQuantized, tensor.format.isQuantized,
                tensor.format != .ggml(entry.type)
            else { return tensor }
            let isSibling = tensor.reason == .defaultType && entry.type == sibling && isMinority
            guard tensor.isByRule || isSibling else { return tensor }
            var tensor = tensor
            (tensor.format, tensor.reason) = (.ggml(entry.type), .lattice)
            return tensor
        }
        return ResolvedPlan(kept, overrides: overrides)
    }
}

extension PlannedTensor {
    fileprivate func isStored(as type: GGMLType?) -> Bool {
        guard case .stored(let entry) = source else { return false }
        return entry.type == type && entry.shape.count == 2
    }
}

extension GGMLType {
    /// The type of the same codes whose blocks have minima; nil where there is none.
    var siblingWithMinima: GGMLType? {
        switch self {
        case .q4_0: .q4_1
        case .q5_0: .q5_1
        default: nil
        }
    }
}
