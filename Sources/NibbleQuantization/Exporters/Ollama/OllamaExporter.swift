internal import NibbleCheckpoint

/// Folders for `ollama create`: the GGUF file, and a Modelfile with the chat template in Ollama's language, stop tokens,
/// sampling and the license.
///
/// Source: Ollama, `docs/modelfile.md`, `parser/parser.go`.
struct OllamaExporter: GGUFFolderExporter {
    let name = "ollama"

    func howToRun(_ name: String) -> String? {
        "Ollama: `ollama create \(name) -f Modelfile`, in this folder"
    }

    func companions(
        _ metadata: GGUFMetadata, of model: ModelCheckpoint, _ request: ConversionRequest,
        notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> [HubFile] {
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
        return [HubFile(name: "Modelfile", contents: Array(modelfile.utf8))]
    }
}
