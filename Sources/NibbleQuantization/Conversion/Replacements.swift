internal import NibbleCheckpoint
internal import NibbleNumerics

extension ConversionRequest {
    /// Throws where a replacement is for a tensor that the source does not have.
    func checkReplacements(in model: ModelCheckpoint) throws(CheckpointError) {
        let present = Set(model.tensors.map(\.role))
        let unknown = replacements.keys.filter { !present.contains($0) }
            .map { model.source.scheme.name(of: $0, in: model.configuration.architecture) ?? "\($0)" }.min()
        guard let unknown else { return }
        throw CheckpointError(
            .inconsistent, path: model.path, subject: "tensor '\(unknown)'",
            "is to be replaced, and the source has no such tensor",
            advice: "export onto the checkpoint that was trained")
    }

    /// `planned` with the values of its replacement, if there is one. Vectors become F32.
    func replaced(
        _ planned: PlannedTensor, of model: ModelCheckpoint
    ) throws(CheckpointError) -> PlannedTensor {
        var (result, shape, fits) = (planned, planned.shape, true)
        switch replacements[planned.role] {
        case nil: break
        case .encoded(let tensor):
            guard !planned.role.kind.isNorm else {
                throw model.mismatch(
                    planned.name, "is to be replaced by encoded rows, and is a norm", "give its values")
            }
            // Rows beyond the vocabulary, which pad the source, are there or not.
            let rowCounts = [planned.shape, planned.sourceShape].map { $0.dropLast().reduce(1, *) }
            shape = [tensor.rows, tensor.columns]
            fits = tensor.columns == planned.columns && rowCounts.contains(tensor.rows)
            result.source = .encoded(tensor)
        case .vector(let values):
            shape = [values.count]
            fits = shape == planned.shape
            result.source = .computed(values)
            result.format = .ggml(.f32)
        }
        guard fits else {
            throw model.mismatch(
                planned.name, "has shape \(planned.shape), its replacement is \(shape)",
                "export onto the checkpoint that was trained")
        }
        return result
    }
}

extension PlannedTensor {
    /// Throws where the rows that replace those of the source are not encoded in ``format``, so that they cannot stand in
    /// the output as they are.
    func checkReplacement(_ request: ConversionRequest, of model: ModelCheckpoint) throws(CheckpointError) {
        guard case .encoded(let tensor) = source, tensor.format != format else { return }
        throw model.mismatch(
            name,
            "is to become \(format) by the plan \(request.plan.type.rawValue), and its replacement is "
                + "encoded as \(tensor.format)",
            "export with the plan that was trained with")
    }
}

extension ModelCheckpoint {
    /// The error for a replacement that does not fit a tensor.
    fileprivate func mismatch(_ name: String, _ problem: String, _ advice: String) -> CheckpointError {
        CheckpointError(.inconsistent, path: path, subject: "tensor '\(name)'", problem, advice: advice)
    }
}
