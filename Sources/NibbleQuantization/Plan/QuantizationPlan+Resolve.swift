public import NibbleCheckpoint
internal import NibbleNumerics

extension QuantizationPlan {
    /// What every tensor of `model` becomes: what a conversion writes, a dry run shows, and a student is trained for.
    /// Folders of plain numbers (``CheckpointExporters/hub``) have one type for all tensors instead.
    ///
    /// - Parameter usesImportance: whether importance weights will be used, which moves a few tensors of the mixtures.
    /// - Throws: ``CheckpointError`` where a tensor cannot become what the plan says, or a type that GGUF lacks has no
    ///   use for an option.
    public func resolve(
        _ model: ModelCheckpoint, usesImportance: Bool = false
    ) throws(CheckpointError) -> ResolvedPlan {
        if !type.isGGUF { try refuseOptions(path: model.path) }
        var tensors: [PlannedTensor] = []
        for tensor in model.tensors {
            tensors.append(try self.tensor(tensor.role, .stored(tensor.entry), of: model))
        }
        let frequencies = TensorRole(.ropeFrequencies)
        if let factors = model.configuration.llama3FrequencyFactors,
            !tensors.contains(where: { $0.role == frequencies })
        {
            tensors.append(try tensor(frequencies, .computed(factors), of: model))
        }
        let resolved = resolve(tensors, of: model.configuration, usesImportance: usesImportance)
        for tensor in model.tensors { try resolved[tensor.role]?.checkFit() }
        try file?.check(resolved, of: model)
        return resolved
    }

    /// What every tensor of a model becomes that there is no checkpoint of, as if it were a hub folder of BF16.
    ///
    /// - Parameter usesImportance: as for a checkpoint.
    public func resolve(
        _ configuration: ModelConfiguration, usesImportance: Bool = false
    ) -> ResolvedPlan {
        var tensors: [PlannedTensor] = []
        for role in configuration.roles {
            guard let name = NamingScheme.gguf.name(of: role, in: configuration.architecture),
                let shape = configuration.shape(of: role)
            else { preconditionFailure("\(role) has neither name nor shape") }
            let kept: WeightFormat = type.isGGUF ? .ggml(.f32) : .ggml(.bf16)
            tensors.append(
                PlannedTensor(
                    role: role, name: name, shape: shape, kept: kept, format: kept,
                    source: .described(shape: shape, format: .ggml(.bf16))))
        }
        return resolve(tensors, of: configuration, usesImportance: usesImportance)
    }

    private func resolve(
        _ tensors: [PlannedTensor], of configuration: ModelConfiguration, usesImportance: Bool
    ) -> ResolvedPlan {
        var tensors = tensors.sorted { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
        let targets = targets(for: tensors, in: configuration, usesImportance: usesImportance)
        for (index, target) in targets.enumerated() {
            (tensors[index].format, tensors[index].reason) = target
        }
        return ResolvedPlan(tensors, overrides: overrides)
    }

    private func tensor(
        _ role: TensorRole, _ source: TensorSource, of model: ModelCheckpoint
    ) throws(CheckpointError) -> PlannedTensor {
        guard let name = NamingScheme.gguf.name(of: role, in: model.configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "GGUF has no name for \(role)")
        }
        var (shape, kept) = (source.shape, source.format)
        // Rows beyond the vocabulary, which a hub folder may have, stand for no token.
        if role.isVocabulary, shape.count == 2, let rows = model.configuration.shape(of: role)?.first {
            shape[0] = min(shape[0], rows)
        }
        if !type.isGGUF {
            kept = kept.inFolder
        } else if model.source.scheme != .gguf {
            // llama.cpp's converter stores vectors and norms as F32 whatever they were.
            kept = .ggml(.f32)
        }
        return PlannedTensor(
            role: role, name: name, shape: shape, kept: kept, format: kept, source: source)
    }

    /// Throws where an option is set, for outputs that have no use for any.
    func refuseOptions(path: String) throws(CheckpointError) {
        guard isPure || embeddingType != nil || outputType != nil || !overrides.isEmpty || file != nil else {
            return
        }
        throw CheckpointError(
            .invalidRequest, path: path,
            "\(type.rawValue) is the type of all "
                + (type.isGGUF
                    ? "tensors of a folder"
                    : "matrices of attention and feed-forward layers, and of no others"),
            advice: "leave out pure, and types of embedding, output and single tensors")
    }
}

extension PlannedTensor {
    /// Throws where a row is no whole number of blocks of ``format``.
    fileprivate func checkFit() throws(CheckpointError) {
        guard case .stored(let entry) = source, format.byteCount(columns: columns) == nil else { return }
        let (unit, size, advice) =
            switch format {
            case .ggml(let type): ("blocks", type.blockSize, "choose another type for it")
            case .int4, .sfp8:
                ("groups", format.codec?.blockSize ?? 1, "choose int4, which has one scale a row")
            }
        throw CheckpointError(
            .invalidRequest, path: entry.file.path, subject: "tensor '\(entry.name)'",
            "has rows of \(columns) elements, \(format) stores \(unit) of \(size)", advice: advice)
    }
}

extension WeightFormat {
    /// The format in which a hub folder holds weights of this one as they are: itself, or F32 for blocks.
    var inFolder: WeightFormat { [.f32, .f16, .bf16].contains(ggmlType) ? self : .ggml(.f32) }
}
