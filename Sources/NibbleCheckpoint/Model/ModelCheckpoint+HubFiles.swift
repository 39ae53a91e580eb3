public import NibbleNumerics

extension ModelCheckpoint {
    /// The files of a hub folder for this model besides its tensors: made from GGUF metadata, or those of the
    /// hub folder itself with a configuration of the text model alone.
    ///
    /// - Parameters:
    ///   - type: how the weights will be stored, F32, F16 or BF16.
    ///   - quantization: the `quantization_config` of `config.json`.
    ///   - notes: takes what the user should know of the tokenizer.
    /// - Throws: ``CheckpointError`` where the tokenizer has no counterpart on the hub, or `config.json` cannot say what
    ///   the model computes.
    public func hubFiles(
        type: GGMLType, quantization: JSONValue? = nil, notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> [HubFile] {
        let hasAttentionBias = tensors.contains {
            $0.role.part == .bias && $0.role.kind == .attentionQuery
        }
        let hasFeedForwardBias = tensors.contains { $0.role.part == .bias && $0.role.kind.isFeedForward }
        switch source {
        case .gguf(let metadata), .sbs(let metadata):
            let vocabulary = try Vocabulary(ggufMetadata: metadata, path: path)
            notes += vocabulary.notes
            return try HubFile.all(
                configuration: configuration, vocabulary: vocabulary,
                type: type, hasAttentionBias: hasAttentionBias, hasFeedForwardBias: hasFeedForwardBias,
                quantization: quantization, metadata: metadata, path: path)
        case .hub(let description):
            let vocabulary = try description.vocabulary()
            notes += vocabulary.notes
            let json = textConfiguration(
                of: description, vocabulary, type: type, hasAttentionBias: hasAttentionBias,
                hasFeedForwardBias: hasFeedForwardBias, quantization: quantization)
            return [HubFile(name: "config.json", json)] + (try Self.copies(from: description.folder))
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
        let templates = FilePath.names(in: FilePath.join(folder, HubFile.additionalTemplates)).filter {
            $0.hasSuffix(".jinja")
        }
        let names = copiedNames + templates.map { FilePath.join(HubFile.additionalTemplates, $0) }
        for name in names where FilePath.exists(FilePath.join(folder, name)) {
            let file = try MappedFile(path: FilePath.join(folder, name))
            // The mapping ends with the object, whose last use would otherwise be before the copy.
            let contents = withExtendedLifetime(file) { Array(file.bytes) }
            files.append(HubFile(name: name, contents: contents))
        }
        return files
    }

    /// `config.json` of a folder for its text model alone: as it is, but for what the conversion changes; what it leaves
    /// to the defaults of a class is stated.
    private func textConfiguration(
        of description: HubDescription, _ vocabulary: Vocabulary, type: GGMLType, hasAttentionBias: Bool,
        hasFeedForwardBias: Bool,
        quantization: JSONValue?
    ) -> JSONValue {
        let text = description.json["text_config"]
        var members: [String: JSONValue] = [:]
        let known = configuration.hubMembers(
            type: type, vocabulary: vocabulary, hasAttentionBias: hasAttentionBias,
            hasFeedForwardBias: hasFeedForwardBias, quantization: quantization)
        for member in known { members[member.name] = member.value }
        for member in text?.members ?? description.json.members ?? [] { members[member.name] = member.value }
        // Ends and beginnings stand outside of the text model, too.
        for member in description.json.members ?? []
        where member.name.hasSuffix("_token_id") && text?[member.name]?.isNull != false {
            members[member.name] = member.value
        }
        members["architectures"] = .array([.string(configuration.hubClass)])
        members["model_type"] = .string(configuration.hubType)
        members["dtype"] = .string(type.hubName)
        members["torch_dtype"] = .string(type.hubName)
        members["tie_word_embeddings"] = .bool(configuration.tiesEmbeddings)
        members["vocab_size"] = .integer(configuration.vocabularySize)
        members["quantization_config"] = quantization
        // What MLX calls it; a folder for MLX gets its own.
        members["quantization"] = nil
        if hasAttentionBias, configuration.architecture != .qwen2 { members["attention_bias"] = true }
        if hasFeedForwardBias { members["mlp_bias"] = true }
        return .object(members.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) })
    }
}
