/// What a folder that is no readable checkpoint holds instead, and what to do about it.
struct FolderDiagnosis {
    private let folder: String
    private let names: [String]

    /// - Throws: ``CheckpointError`` where the folder cannot be read.
    init(_ folder: String) throws(CheckpointError) {
        self.folder = folder
        names = try FilePath.contents(of: folder)
    }

    /// The folder has no `config.json`.
    var noConfiguration: CheckpointError {
        known ?? error("has no config.json; there: \(shown(names))", "download the whole repository")
    }

    /// The folder has a `config.json`, but no weights under a name that is read.
    var noWeights: CheckpointError {
        let expected = SafetensorsCheckpoint.fileName
        if let name = [SafetensorsCheckpoint.indexName, expected].first(where: names.contains) {
            return error(
                "has a link called \(name) to a file that is not there", "the download may be incomplete")
        }
        if let index = names.first(where: {
            $0.hasPrefix("model.") && $0.contains("index") && $0.hasSuffix(".json")
        }) {
            return error("has no \(expected), but \(index)", "name that file: \(path(index))")
        }
        let safetensors = names.filter { $0.hasSuffix(".safetensors") }
        if let adapter { return adapter }
        if let consolidated = safetensors.first(where: { $0.hasPrefix("consolidated") }) {
            return error(
                "has no \(expected), but \(consolidated), whose tensors have the names of their maker's own programs",
                "download the model*.safetensors of the same repository, or convert it to the form of transformers"
            )
        }
        if safetensors.count == 1 {
            return error(
                "has no \(expected), but \(safetensors[0])", "name that file: \(path(safetensors[0]))")
        }
        if !safetensors.isEmpty {
            return error(
                "has no \(expected), but \(safetensors.listed())",
                "name the one that is meant; shards are called model-00001-of-0000N.safetensors")
        }
        let pickled = names.filter { $0.hasPrefix("pytorch_model") && $0.hasSuffix(".bin") }
        if !pickled.isEmpty {
            return error(
                "has no \(expected), but \(pickled.listed(2))",
                "save it again with transformers: AutoModelForCausalLM.from_pretrained(...).save_pretrained(...)"
            )
        }
        if let gguf { return gguf }
        let foreign = names.filter { name in
            [".bin", ".pth", ".pt", ".h5", ".msgpack", ".onnx"].contains { name.hasSuffix($0) }
        }
        if !foreign.isEmpty {
            return error("has no \(expected), but \(foreign.listed())", "weights are read from safetensors")
        }
        return error(
            "has a config.json, but no weights: \(expected) is not there", "the download may be incomplete")
    }

    // MARK: - What it may be

    /// A folder of another kind, told by its names.
    private var known: CheckpointError? {
        if names.isEmpty { return error("is empty", "the download may have failed") }
        return adapter ?? hubCache ?? gguf ?? originalWeights ?? inner ?? weightsAlone
    }

    private var adapter: CheckpointError? {
        guard
            let name = names.first(where: { $0 == "adapter_config.json" || $0.hasPrefix("adapter_model.") })
        else { return nil }
        var base = "its base model"
        if let json = try? HubTokenizerFiles.parse(folder, "adapter_config.json"),
            let name = json["base_model_name_or_path"]?.text, !name.isEmpty
        {
            base += " (\(name))"
        }
        return error(
            "holds an adapter (\(name)), not a whole model",
            "merge it into \(base), with merge_and_unload of peft, and name the merged folder")
    }

    /// The root of a repository in the cache of huggingface_hub: `blobs`, `refs`, `snapshots`.
    private var hubCache: CheckpointError? {
        guard names.contains("snapshots") else { return nil }
        let snapshots = FilePath.names(in: path("snapshots")).map { path("snapshots/" + $0) }
        let main = (try? HubTokenizerFiles.text(path("refs"), "main"))?.split(whereSeparator: \.isWhitespace)
            .first
        let named = main.map { path("snapshots/" + $0) }
        guard let snapshot = snapshots.first(where: { $0 == named }) ?? snapshots.last else {
            return error(
                "is a repository in the hub's cache, of which nothing was downloaded", "download it again")
        }
        return error(
            "is a repository in the hub's cache, which keeps checkpoints in its folder snapshots",
            "name \(snapshot)")
    }

    private var gguf: CheckpointError? {
        let files = names.filter { $0.lowercased().hasSuffix(".gguf") }
        guard let first = files.first(where: { !$0.contains("mmproj") }) ?? files.first else { return nil }
        let advice =
            files.count == 1 ? "name that file: \(path(first))" : "name one of them, such as \(path(first))"
        return error("is no hub folder, but holds \(files.listed(3))", advice)
    }

    private var originalWeights: CheckpointError? {
        guard
            let name = names.first(where: {
                $0 == "params.json" || $0.hasPrefix("consolidated.") || $0.hasSuffix(".pth")
            })
        else { return nil }
        return error(
            "has no config.json; \(name) belongs to the form in which the makers publish weights",
            "take the repository's files for transformers: config.json, model*.safetensors and the tokenizer")
    }

    /// Folders one level down that are hub folders.
    private var inner: CheckpointError? {
        let folders = names.filter { FilePath.exists(path($0 + "/config.json")) }
        guard let first = folders.last else { return nil }
        return error(
            "has no config.json, but its \(folders.count == 1 ? "folder" : "folders") \(folders.listed()) "
                + (folders.count == 1 ? "has one" : "have"), "name \(path(first))")
    }

    private var weightsAlone: CheckpointError? {
        guard let name = names.first(where: { $0.hasSuffix(".safetensors") }) else { return nil }
        return error(
            "has \(name), but no config.json", "download config.json and the files of the tokenizer as well")
    }

    // MARK: - Parts

    private func path(_ name: String) -> String { FilePath.join(folder, name) }

    private func shown(_ names: [String]) -> String { names.isEmpty ? "nothing" : names.listed() }

    private func error(_ problem: String, _ advice: String) -> CheckpointError {
        CheckpointError(.missing, path: folder, problem, advice: advice)
    }
}
