internal import NibbleCheckpoint
internal import NibbleNumerics

/// GGUF files with the names, order and metadata of llama-quantize's.
struct GGUFExporter: CheckpointExporter {
    let name = "gguf"
    let fileEnding: String? = ".gguf"
    let defaultType = QuantizationType.q4_0
    let usesPlanOptions = true

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        guard !type.isGGUF else { return }
        throw CheckpointError(
            .invalidRequest, path: output, "GGUF files cannot hold \(type.rawValue)",
            advice: "name a folder, or choose a type of GGUF files, such as q4_0")
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        try planned.checkReplacement(request, of: model)
        return ExportedTensor(
            name: planned.name, shape: planned.shape, format: planned.format, reason: planned.reason,
            convention: NamingScheme.gguf.convention(of: planned.role, in: model.configuration))
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        try .gguf(
            path: request.output, metadata: metadata(of: tensors, of: model, request, notes: &notes),
            tensors: tensors, splitSize: request.splitSize)
    }

    /// The metadata of the file.
    func metadata(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> GGUFMetadata {
        guard let fileType = request.plan.type.fileType else {
            preconditionFailure("\(request.plan.type) was refused")
        }
        var metadata: GGUFMetadata
        switch model.source {
        case .gguf(let stored), .sbs(let stored):
            metadata = stored
            notes += Vocabulary.notes(ggufMetadata: stored, path: model.path)
        case .hub(let description):
            metadata = try description.ggufMetadata(
                parameterCount: tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }, fileType: fileType,
                notes: &notes)
            if let provenance = try model.provenance() { metadata.set(provenance) }
        }
        if let provenance = request.provenance { metadata.set(provenance) }
        // llama-quantize sets these anew, which moves them to the end.
        for key in [GGUFKey.quantizationVersion, GGUFKey.fileType] { metadata.remove(key) }
        metadata.set(GGUFKey.quantizationVersion, .uint32(2))
        metadata.set(GGUFKey.fileType, .uint32(fileType))
        for (key, value) in request.importance?.metadata ?? [] {
            metadata.remove(key)
            metadata.set(key, value)
        }
        if let seed = request.ditherSeed { metadata.set("nibble.dither.seed", .uint64(seed)) }
        return metadata
    }
}
