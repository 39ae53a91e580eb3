internal import NibbleCheckpoint

/// Folders as LM Studio has them two levels below its models, `PUBLISHER/MODEL`: the GGUF file alone, with its chat template.
struct LMStudioExporter: CheckpointExporter {
    private let file = GGUFExporter()
    let name = "lmstudio"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.q4_0
    let usesPlanOptions = true

    func check(_ type: QuantizationType, output: String) throws(CheckpointError) {
        try file.check(type, output: output)
    }

    func tensor(
        for planned: PlannedTensor, of model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> ExportedTensor? {
        try file.tensor(for: planned, of: model, request)
    }

    func layout(
        of tensors: [CheckpointLayout.Tensor], of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        let metadata = try file.metadata(of: tensors, of: model, request, notes: &notes)
        return try .ggufFolder(
            path: request.output, metadata: metadata, tensors: tensors, companions: [],
            splitSize: request.splitSize)
    }
}
