public import NibbleNumerics

/// A small file of a hub folder.
public struct HubFile: Sendable, Equatable {
    /// The name, without folder.
    public var name: String
    /// The whole file.
    public var contents: [UInt8]

    /// Creates a file.
    public init(name: String, contents: [UInt8]) {
        self.name = name
        self.contents = contents
    }

    /// The folder of named chat templates.
    static let additionalTemplates = "additional_chat_templates"

    init(name: String, _ json: JSONValue) {
        self.init(name: name, contents: Array(json.serialized().utf8))
    }
}

extension [HubFile] {
    /// Adds members to the object that a file holds.
    package mutating func add(
        _ members: [JSONValue.Member], toObject name: String, path: String
    ) throws(CheckpointError) {
        guard let place = firstIndex(where: { $0.name == name }) else { return }
        let own = self[place].contents
        let parsed = try own.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try JSONParser.parse(bytes, path: FilePath.join(path, name))
        }
        guard case .object(let old) = parsed else { return }
        self[place] = HubFile(name: name, .object(old + members))
    }
}

extension HubFile {
    /// All files of a hub folder besides the tensors: `config.json`, `generation_config.json`, those of the
    /// tokenizer, and with `metadata` a `README.md` with what it says of the model.
    ///
    /// ```swift
    /// let files = try HubFile.all(configuration: configuration, vocabulary: vocabulary, type: .bf16)
    /// ```
    ///
    /// - Parameters:
    ///   - type: How the weights are stored: F32, F16 or BF16.
    ///   - hasAttentionBias: Whether the attention of a Llama has biases.
    ///   - hasFeedForwardBias: Whether the feed-forward layers of a Llama have biases.
    ///   - quantization: The `quantization_config` of `config.json`; nil where weights are plain numbers.
    ///   - metadata: Where `general.` facts come from: name, license, sampling.
    ///   - path: Where all this comes from, for errors.
    /// - Throws: ``CheckpointError`` where the tokenizer has no counterpart on the hub.
    public static func all(
        configuration: ModelConfiguration, vocabulary: Vocabulary, type: GGMLType,
        hasAttentionBias: Bool = false, hasFeedForwardBias: Bool = false, quantization: JSONValue? = nil,
        metadata: GGUFMetadata? = nil, path: String = "vocabulary"
    ) throws(CheckpointError) -> [HubFile] {
        var files = [
            HubFile(
                name: "config.json",
                try configuration.hubConfiguration(
                    type: type, vocabulary: vocabulary, hasAttentionBias: hasAttentionBias,
                    hasFeedForwardBias: hasFeedForwardBias, quantization: quantization, path: path)),
            HubFile(name: "generation_config.json", try generation(vocabulary, metadata)),
        ]
        files += try vocabulary.hubFiles(
            architecture: configuration.architecture, contextLength: configuration.contextLength, path: path)
        if let metadata, let card = try ModelCard(metadata) {
            files.append(HubFile(name: "README.md", contents: Array(card.text.utf8)))
        }
        return files
    }

    /// Where generation stops, and how the makers recommend to sample.
    private static func generation(
        _ vocabulary: Vocabulary, _ metadata: GGUFMetadata?
    ) throws(CheckpointError) -> JSONValue {
        var members: [JSONValue.Member] = []
        let special = vocabulary.special
        if let token = special.beginning { members.append(.init("bos_token_id", .integer(token))) }
        let ends = vocabulary.endTokens.map(JSONValue.integer)
        if let end = ends.first {
            members.append(.init("eos_token_id", ends.count == 1 ? end : .array(ends)))
        }
        if let token = special.padding { members.append(.init("pad_token_id", .integer(token))) }
        let sampling = [
            ("min_p", "min_p"), ("repetition_penalty", "penalty_repeat"), ("temperature", "temp"),
            ("top_k", "top_k"), ("top_p", "top_p"),
        ]
        var samples = false
        for (name, key) in sampling {
            switch try metadata?.value("general.sampling.\(key)") {
            case .float32(let value) where value.isFinite: members.append(.init(name, .real(value.decimal)))
            case .int32(let value): members.append(.init(name, .integer(Int(value))))
            default: continue
            }
            samples = true
        }
        if samples { members.append(.init("do_sample", true)) }
        return .object(members.sorted { $0.name < $1.name })
    }
}
