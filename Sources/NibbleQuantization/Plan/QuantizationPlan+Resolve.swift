public import NibbleCheckpoint
internal import NibbleNumerics

extension QuantizationPlan {
    /// What every tensor of `model` becomes: what a conversion writes, a dry run shows, and a student is trained for.
    ///
    /// - Throws: ``CheckpointError`` where a tensor cannot become what the plan says, or an option has no effect.
    public func resolve(_ model: ModelCheckpoint) throws(CheckpointError) -> ResolvedPlan {
        try checkOptions(path: model.path)
        var tensors: [Tensor] = []
        var sources: [TensorRole: TensorSource] = [:]
        for tensor in model.tensors {
            tensors.append(try self.tensor(tensor, of: model))
            sources[tensor.role] = .stored(tensor.entry)
        }
        let frequencies = TensorRole(.ropeFrequencies)
        if let factors = model.configuration.llama3FrequencyFactors, sources[frequencies] == nil {
            tensors.append(
                Tensor(
                    role: frequencies, name: try Self.name(of: frequencies, in: model),
                    shape: [factors.count], keptType: .f32))
            sources[frequencies] = .computed(factors)
        }
        tensors.sort { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
        var planned: [PlannedTensor] = []
        for (tensor, target) in zip(tensors, targets(for: tensors, in: model.configuration)) {
            guard let source = sources[tensor.role] else { continue }
            planned.append(
                PlannedTensor(
                    role: tensor.role, name: tensor.name, shape: tensor.shape, kept: .ggml(tensor.keptType),
                    format: target.format, reason: target.reason, source: source))
        }
        let resolved = ResolvedPlan(planned, overrides: overrides)
        for tensor in model.tensors { try resolved[tensor.role]?.checkFit() }
        return resolved
    }

    private func tensor(
        _ tensor: ModelCheckpoint.Tensor, of model: ModelCheckpoint
    ) throws(CheckpointError) -> Tensor {
        let (role, entry) = (tensor.role, tensor.entry)
        var shape = entry.shape
        // Rows beyond the vocabulary, which a hub folder may have, stand for no token.
        if role.isVocabulary, shape.count == 2, let rows = model.configuration.shape(of: role)?.first {
            shape[0] = min(shape[0], rows)
        }
        var keptType = entry.type
        if !type.isGGUF {
            keptType = entry.type.inFolder
        } else if case .hub = model.source {
            // llama.cpp's converter stores vectors and norms as F32 whatever they were.
            keptType = .f32
        }
        return Tensor(
            role: role, name: try Self.name(of: role, in: model), shape: shape, keptType: keptType)
    }

    private static func name(
        of role: TensorRole, in model: ModelCheckpoint
    ) throws(CheckpointError) -> String {
        guard let name = NamingScheme.gguf.name(of: role, in: model.configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "GGUF has no name for \(role)")
        }
        return name
    }

    /// Throws where an option is set for which a type that GGUF files lack has no use.
    func checkOptions(path: String) throws(CheckpointError) {
        guard !type.isGGUF, isPure || embeddingType != nil || outputType != nil || !overrides.isEmpty else {
            return
        }
        throw CheckpointError(
            .invalidRequest, path: path,
            "\(type.rawValue) is the type of all matrices of attention and feed-forward layers, and of no others",
            advice: "leave out pure, and types of embedding, output and single tensors")
    }
}

extension PlannedTensor {
    /// Throws where a row is no whole number of blocks of ``format``.
    fileprivate func checkFit() throws(CheckpointError) {
        guard case .stored(let entry) = source, format.byteCount(columns: entry.columns) == nil else {
            return
        }
        let (unit, size, advice) =
            switch format {
            case .ggml(let type): ("blocks", type.blockSize, "choose another type for it")
            case .int4, .sfp8:
                ("groups", format.codec?.blockSize ?? 1, "choose int4, which has one scale a row")
            }
        throw CheckpointError(
            .invalidRequest, path: entry.file.path, subject: "tensor '\(entry.name)'",
            "has rows of \(entry.columns) elements, \(format) stores \(unit) of \(size)", advice: advice)
    }
}

extension GGMLType {
    /// The type in which a hub folder holds weights of the type as they are: itself, or F32 for blocks.
    var inFolder: GGMLType { [.f32, .f16, .bf16].contains(self) ? self : .f32 }
}
