internal import NibbleCheckpoint
internal import NibbleNumerics

/// Files for gemma.cpp, of Gemma 3: matrices of attention and feed-forward layers as SFP8 or BF16, embedding and norms as BF16;
/// norms that BF16 does not hold as F32. A vision tower is left out.
struct SBSExporter: CheckpointExporter {
    let name = "sbs"
    let fileEnding: String? = ".sbs"
    let defaultType = QuantizationType.sfp8
    let usesPlanOptions = false

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        guard type != .sfp8, type != .bf16 else { return }
        throw CheckpointError(
            .invalidRequest, path: output, "files of gemma.cpp cannot hold \(type.rawValue)",
            advice: "choose sfp8 or bf16")
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        guard model.configuration.architecture == .gemma3,
            let name = CheckpointLayout.sbsName(of: planned.role)
        else {
            throw CheckpointError(
                .unsupported, path: model.path, subject: "tensor '\(planned.name)'",
                "has no place in a file of gemma.cpp, which runs Gemma 3 (this is a "
                    + "\(model.configuration.architecture.rawValue))",
                advice: "for other models choose llama.cpp")
        }
        if planned.format == .sfp8 { try planned.checkReplacement(request, of: model) }
        let convention = NamingScheme.hub.convention(of: planned.role, in: model.configuration)
        let shape = planned.shape
        var format = planned.format
        if format != .sfp8 { format = .ggml(.bf16) }
        if shape.count == 1 {
            let isExact = try HubExporter.isExact(
                planned, convention: convention, of: model, as: .ggml(.bf16))
            if !planned.isStored || !isExact { format = .ggml(.f32) }
        }
        // One byte an element, which no type of GGUF is.
        let type = format.ggmlType ?? .i8
        return ExportedTensor(
            shape: shape, format: format, reason: planned.reason, convention: convention,
            parts: [
                .init(name: name, shape: shape, type: type, .share("values") { $1.copyMemory(from: $0) })
            ])
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        try .sbs(path: request.output, model: model, tensors: tensors)
    }
}
