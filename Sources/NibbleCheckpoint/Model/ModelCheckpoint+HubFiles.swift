public import NibbleNumerics

extension ModelCheckpoint {
    /// The files of a hub folder for this model besides its tensors: made from GGUF metadata, or those of the
    /// hub folder itself with a configuration of the text model alone.
    ///
    /// - Parameter type: how the weights will be stored, F32, F16 or BF16.
    public func hubFiles(type: GGMLType) throws(CheckpointError) -> [HubFile] {
        try hubFiles(type: type, quantization: nil)
    }

    /// The same with a `quantization_config` in `config.json`.
    package func hubFiles(
        type: GGMLType, quantization: JSONValue?
    ) throws(CheckpointError) -> [HubFile] {
        let hasAttentionBias = tensors.contains {
            $0.role == TensorRole(.attentionQuery, layer: 0, part: .bias)
        }
        switch source {
        case .gguf(let metadata):
            return try HubFile.all(
                configuration: configuration, vocabulary: try Vocabulary(ggufMetadata: metadata, path: path),
                type: type, hasAttentionBias: hasAttentionBias, quantization: quantization,
                metadata: metadata, path: path)
        case .hub(let description):
            let json = configuration.hubConfiguration(
                type: type, vocabulary: try description.vocabulary(), hasAttentionBias: hasAttentionBias,
                quantization: quantization)
            let folder = FilePath.isFolder(path) ? path : FilePath.folder(of: path)
            return [HubFile(name: "config.json", json)] + (try Self.copies(from: folder))
        }
    }

    /// Files that say nothing of the weights and are right for any form of them.
    private static let copiedNames = [
        "README.md", "added_tokens.json", "chat_template.jinja", "chat_template.json",
        "generation_config.json",
        "merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
        "vocab.json",
    ]

    private static func copies(from folder: String) throws(CheckpointError) -> [HubFile] {
        var files: [HubFile] = []
        for name in copiedNames where FilePath.exists(FilePath.join(folder, name)) {
            let file = try MappedFile(path: FilePath.join(folder, name))
            // The mapping ends with the object, whose last use would otherwise be before the copy.
            let contents = withExtendedLifetime(file) { Array(file.bytes) }
            files.append(HubFile(name: name, contents: contents))
        }
        return files
    }
}
