internal import NibbleCheckpoint

/// Folders for `ollama create`: the GGUF file, and a Modelfile with the chat template in Ollama's language, stop tokens,
/// sampling and the license.
///
/// Source: Ollama, `docs/modelfile.md`, `parser/parser.go`.
struct OllamaExporter: CheckpointExporter {
    private let file = GGUFExporter()
    let name = "ollama"
    let fileEnding: String? = nil
    let defaultType = QuantizationType.q4_0
    let usesPlanOptions = true

    func howToRun(_ name: String) -> String? {
        "Ollama: `ollama create \(name) -f Modelfile`, in this folder"
    }

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
        let own = try OllamaModel(metadata, architecture: model.configuration.architecture, path: model.path)
        if own.template == nil, own.parameters.contains(where: { $0.name == "stop" }) {
            notes.append(
                CheckpointNote(
                    path: model.path, subject: "chat template",
                    "has no counterpart in Ollama's language, as its turns depend on what is said; the Modelfile leaves "
                        + "TEMPLATE out, and Ollama takes what it knows for it"))
        }
        let name = GGUFCheckpoint.fileName(inFolder: request.output)
        let modelfile = own.modelfile(name, name: name.droppingSuffix(".gguf"))
        return try .ggufFolder(
            path: request.output, metadata: metadata, tensors: tensors,
            companions: [HubFile(name: "Modelfile", contents: Array(modelfile.utf8))],
            splitSize: request.splitSize)
    }
}
