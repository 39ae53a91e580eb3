internal import NibbleCheckpoint

/// Folders as LM Studio has them two levels below its models, `PUBLISHER/MODEL`: the GGUF file alone, with its chat template.
struct LMStudioExporter: GGUFFolderExporter {
    let name = "lmstudio"

    func companions(
        _ metadata: GGUFMetadata, of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> [HubFile] { [] }
}
