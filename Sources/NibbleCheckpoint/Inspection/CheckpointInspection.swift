public import NibbleNumerics

/// What a checkpoint holds, as `nibble inspect` shows it: of any GGUF file, whatever its architecture, and of
/// hub folders.
public struct CheckpointInspection: Sendable {
    /// The path as it was opened.
    public let path: String
    /// `GGUF v3`, `GGUF v3, 2 parts` or `safetensors`.
    public let format: String
    /// The architecture's name; nil where the file does not say.
    public let architecture: String?
    /// The name that the model gives itself.
    public let name: String?
    /// Tensors in file order.
    public let tensors: [TensorEntry]
    /// Metadata, of GGUF files.
    public let metadata: GGUFMetadata?
    /// The tokenizer in one line; nil where there is none.
    public let tokenizer: String?
    /// Why the tokenizer cannot be read; nil where it can.
    public let tokenizerProblem: CheckpointError?
    /// What the user should know of the checkpoint before relying on it: what is left out, which of two parts that
    /// contradict each other counts.
    public let notes: [CheckpointNote]
    /// How the weights were trained, where the checkpoint says so.
    public let provenance: Provenance?
    /// Why what the checkpoint says of its training cannot be read; nil where it can, or says nothing.
    public let provenanceProblem: CheckpointError?
    /// The first reason why `nibble convert` would refuse the checkpoint; nil where it would not.
    public let obstacle: CheckpointError?
    /// The first reason why nothing can be computed with the checkpoint, which can be converted all the same.
    public let computationObstacle: CheckpointError?

    /// The lattices that matrices of plain numbers lie on, with the matrices that do.
    public let lattices: [LatticeShare]
    /// How many matrices of plain numbers there are.
    public let plainMatrices: Int

    /// Number of weights.
    public var parameterCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
    /// Bytes of the tensors.
    public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
    /// Bits that a weight takes on average.
    public var bitsPerWeight: Double {
        parameterCount == 0 ? 0 : Double(byteCount) * 8 / Double(parameterCount)
    }

    /// Tensors and bytes of one type.
    public struct TypeShare: Sendable {
        /// The type.
        public var type: GGMLType
        /// How many tensors have it.
        public var tensorCount: Int
        /// Their elements.
        public var elementCount: Int
        /// Their bytes.
        public var byteCount: Int
    }

    /// How much is stored as what, the largest first.
    public var typeShares: [TypeShare] {
        var shares: [GGMLType: TypeShare] = [:]
        for tensor in tensors {
            var share =
                shares[tensor.type]
                ?? TypeShare(type: tensor.type, tensorCount: 0, elementCount: 0, byteCount: 0)
            share.tensorCount += 1
            share.elementCount += tensor.elementCount
            share.byteCount += tensor.byteCount
            shares[tensor.type] = share
        }
        return shares.values.sorted { ($0.byteCount, $1.type.rawValue) > ($1.byteCount, $0.type.rawValue) }
    }

    /// Opens the checkpoint at `path`.
    ///
    /// - Throws: ``CheckpointError`` where the files themselves are damaged. What merely is not supported by
    ///   `nibble convert` stands in ``obstacle``.
    public init(path: String) throws(CheckpointError) {
        self.path = path
        var obstacle: CheckpointError?
        var model: ModelCheckpoint?
        do throws(CheckpointError) { model = try ModelCheckpoint(path: path) } catch { obstacle = error }
        self.obstacle = obstacle
        computationObstacle = model?.obstacles.first
        let readVocabulary: () throws(CheckpointError) -> Vocabulary?
        switch CheckpointForm(path: path) {
        case .hub:
            let weights = try SafetensorsCheckpoint(path: path)
            format = weights.files.count == 1 ? "safetensors" : "safetensors, \(weights.files.count) shards"
            tensors = Self.tensors(of: weights, path: path)
            metadata = nil
            (provenance, provenanceProblem) = Self.reading { () throws(CheckpointError) -> Provenance? in
                try Provenance(safetensorsMetadata: weights.metadata, path: path)
            }
            architecture = model?.configuration.architecture.rawValue
            name = nil
            readVocabulary = { [model] () throws(CheckpointError) in
                guard case .hub(let description)? = model?.source else { return nil }
                return try description.vocabulary()
            }
        case .sbs:
            // Without its configuration such a file is none.
            guard let model, case .sbs(let stored) = model.source else { throw obstacle ?? .notRead(path) }
            format = "gemma.cpp"
            tensors = model.tensors.map(\.entry)
            metadata = nil
            (provenance, provenanceProblem) = (nil, nil)
            architecture = model.configuration.architecture.rawValue
            name = try stored.value("general.name")?.text
            readVocabulary = { () throws(CheckpointError) in
                try Vocabulary(ggufMetadata: stored, path: path)
            }
        case .gguf:
            let file = try GGUFCheckpoint(path: path)
            let version = file.files.first?.version ?? 3
            format = "GGUF v\(version)" + (file.files.count > 1 ? ", \(file.files.count) parts" : "")
            tensors = file.tensors
            metadata = file.metadata
            (provenance, provenanceProblem) = Self.reading { () throws(CheckpointError) -> Provenance? in
                try Provenance(ggufMetadata: file.metadata, path: path)
            }
            architecture = try file.metadata.value(GGUFKey.architecture)?.text
            name = try file.metadata.value("general.name")?.text
            readVocabulary = { () throws(CheckpointError) in
                guard file.metadata.contains(TokenizerKey.model) else { return nil }
                return try Vocabulary(ggufMetadata: file.metadata, path: path)
            }
        }
        let vocabulary: Vocabulary?
        (vocabulary, tokenizerProblem) = Self.reading(readVocabulary)
        tokenizer = vocabulary.map(Self.line)
        notes = (model?.notes ?? []) + (vocabulary?.notes ?? [])
        (lattices, plainMatrices) = Self.lattices(of: tensors)
    }

    /// The tensors of a hub folder, packed matrices as one each where config.json says how to read them.
    private static func tensors(of weights: SafetensorsCheckpoint, path: String) -> [TensorEntry] {
        let folder = FilePath.isFolder(path) ? path : FilePath.folder(of: path)
        let description = FilePath.join(folder, "config.json")
        guard FilePath.exists(description), let json = try? JSONParser.parse(path: description),
            let packed = try? PackedWeights(weights, configuration: json, path: description)
        else { return weights.tensors }
        return packed.tensors
    }

    private static func reading<Value>(
        _ read: () throws(CheckpointError) -> Value?
    ) -> (Value?, CheckpointError?) {
        do throws(CheckpointError) { return (try read(), nil) } catch { return (nil, error) }
    }

    private static func line(for vocabulary: Vocabulary) -> String {
        let kind =
            switch vocabulary.model {
            case .sentencePiece: "SentencePiece"
            case .byteLevelBPE(let preTokenizer): "byte-level BPE (\(preTokenizer))"
            }
        let control = vocabulary.kinds.count { $0 == .control }
        let template = vocabulary.chatTemplates.isEmpty ? "no chat template" : "chat template"
        return "\(kind), \(vocabulary.tokens.count) tokens, \(control) of them control, \(template)"
    }
}

extension CheckpointError {
    /// That a file was opened and is none of its kind.
    fileprivate static func notRead(_ path: String) -> CheckpointError {
        CheckpointError(.malformed, path: path, "is no file of gemma.cpp")
    }
}
