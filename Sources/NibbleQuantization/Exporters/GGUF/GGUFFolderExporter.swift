internal import NibbleCheckpoint

/// Writes folders that hold a GGUF file, and what a program needs beside it.
protocol GGUFFolderExporter: CheckpointExporter {
    /// What stands beside the file.
    ///
    /// - Parameters:
    ///   - metadata: that of the file.
    ///   - notes: takes what the user should know of the source.
    func companions(
        _ metadata: GGUFMetadata, of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> [HubFile]
}

extension GGUFFolderExporter {
    private var file: GGUFExporter { GGUFExporter() }

    var fileEnding: String? { nil }
    var defaultType: QuantizationType { file.defaultType }
    var usesPlanOptions: Bool { file.usesPlanOptions }

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
            path: request.output, metadata: metadata, tensors: tensors,
            companions: companions(metadata, of: model, request, notes: &notes),
            splitSize: request.splitSize)
    }
}
