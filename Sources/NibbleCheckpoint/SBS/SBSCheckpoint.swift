internal import NibbleNumerics

/// A model in a file of gemma.cpp.
struct SBSCheckpoint {
    let configuration: ModelConfiguration
    let tensors: [ModelCheckpoint.Tensor]
    /// What a GGUF file would say of model and tokenizer.
    let metadata: GGUFMetadata
    let notes: [CheckpointNote]

    /// Opens the file at `path`.
    init(path: String) throws(CheckpointError) {
        let file = try SBSFile(path: path)
        let own = try SBSConfiguration(file.bytes("config"), path: path)
        let configuration = try own.configuration(path: path)
        let listed = try SBSTensor.list(file.bytes("toc"), path: path)
        var byName: [String: SBSTensor] = [:]
        for tensor in listed where byName.updateValue(tensor, forKey: tensor.name) != nil {
            throw CheckpointError(
                .malformed, path: path, subject: "tensor '\(tensor.name)'",
                "is in the table of contents twice")
        }
        let places = SBSPlaces(file, byName, configuration)
        var tensors: [ModelCheckpoint.Tensor] = []
        for role in configuration.roles {
            tensors.append(.init(role: role, entry: try places.place(of: role)))
        }
        self.configuration = configuration
        self.tensors = tensors
        metadata = try Self.metadata(
            configuration, tokenizer: try Self.tokenizer(file, path: path), path: path)
        let types = Set(tensors.compactMap { $0.entry.packing?.description }).sorted()
        var notes = [
            CheckpointNote(
                path: path, "its values are read from \(types.joined(separator: " and ")) without loss")
        ]
        if listed.contains(where: { $0.name.hasPrefix("img_") }) {
            notes.append(CheckpointNote(path: path, "has a vision tower, which is left out"))
        }
        self.notes = notes
    }

    // MARK: - Tokenizer

    private static func tokenizer(
        _ file: SBSFile, path: String
    ) throws(CheckpointError) -> [SentencePieceModel.Piece] {
        let bytes = try file.bytes("tokenizer")
        let copy = withExtendedLifetime(file) { Array(bytes) }
        return try SentencePieceModel(MappedFile(copying: copy, path: path + ", blob 'tokenizer'")).pieces
    }

    /// Metadata with the vocabulary of the tokenizer, whose special tokens are those of Gemma.
    private static func metadata(
        _ configuration: ModelConfiguration, tokenizer pieces: [SentencePieceModel.Piece], path: String
    ) throws(CheckpointError) -> GGUFMetadata {
        let count = min(pieces.count, configuration.vocabularySize)
        var metadata = GGUFMetadata()
        metadata.set(GGUFKey.architecture, .string(configuration.architecture.rawValue))
        metadata.set("general.type", .string("model"))
        metadata.set("general.name", .string(FilePath.name(of: path).droppingSuffix(".sbs")))
        // Values of SFP8 are written as BF16.
        for (key, value) in try configuration.ggufEntries(fileType: 32, path: path) {
            metadata.set(key, value)
        }
        metadata.set(GGUFKey.quantizationVersion, .uint32(2))
        // Rows without a piece are kept, as converters do.
        let padding = (count..<configuration.vocabularySize).map { "[PAD\($0)]" }
        let own = pieces[..<count]
        metadata.set(TokenizerKey.model, .string("llama"))
        metadata.set(TokenizerKey.preTokenizer, .string("default"))
        metadata.set(TokenizerKey.tokens, .strings(own.map(\.text) + padding))
        metadata.set(
            TokenizerKey.scores,
            .array(.float32, (own.map(\.score) + padding.map { _ in -1000 }).map { .float32($0) }))
        let kinds = own.map(\.kind) + padding.map { _ in .unused }
        metadata.set(TokenizerKey.kinds, .array(.int32, kinds.map { .int32($0.rawValue) }))
        func number(_ text: String) -> UInt32? { own.firstIndex { $0.text == text }.map { UInt32($0) } }
        for (key, text) in [
            (TokenizerKey.beginning, "<bos>"), (TokenizerKey.end, "<eos>"), (TokenizerKey.unknown, "<unk>"),
            (TokenizerKey.padding, "<pad>"), (TokenizerKey.endOfTurn, "<end_of_turn>"),
        ] {
            if let number = number(text) { metadata.set(key, .uint32(number)) }
        }
        metadata.set(TokenizerKey.addsBeginning, .bool(true))
        metadata.set(TokenizerKey.addsEnd, .bool(false))
        metadata.set(TokenizerKey.addsSpacePrefix, .bool(false))
        return metadata
    }
}

/// Finds the tensors of a model in a file of gemma.cpp, joined or apart.
struct SBSPlaces {
    private let file: SBSFile
    private let tensors: [String: SBSTensor]
    private let configuration: ModelConfiguration

    init(_ file: SBSFile, _ tensors: [String: SBSTensor], _ configuration: ModelConfiguration) {
        (self.file, self.tensors, self.configuration) = (file, tensors, configuration)
    }

    /// The entry of a role.
    ///
    /// - Throws: ``CheckpointError`` where it is missing, of another shape, or of a type that is not read.
    func place(of role: TensorRole) throws(CheckpointError) -> TensorEntry {
        let suffix = role.layer.map { "_\($0)" } ?? ""
        guard let base = SBSNames.base(role.kind), let shape = configuration.shape(of: role) else {
            preconditionFailure("\(role) of Gemma 3 has neither name nor shape")
        }
        let head = configuration.headDimension
        let (queries, pairs) = (configuration.headCount * head, 2 * configuration.keyValueHeadCount * head)
        let width = configuration.embeddingLength
        let first = role.kind == .attentionValue ? head : 0
        switch role.kind {
        case .attentionQuery where tensors[base + suffix] == nil:
            return try entry(
                role, "qkv_ein" + suffix, stored: [queries + pairs, width], shape, .rows(first: 0))
        case .attentionKey, .attentionValue:
            if tensors[base + suffix] == nil {
                return try entry(
                    role, "qkv_ein" + suffix, stored: [queries + pairs, width], shape,
                    .heads(first: queries + first, size: head, stride: 2 * head))
            }
            return try entry(
                role, base + suffix, stored: [pairs, width], shape,
                .heads(first: first, size: head, stride: 2 * head))
        case .attentionOutput where tensors[base + suffix] == nil:
            return try entry(
                role, "att_ein" + suffix, stored: [configuration.headCount * width, head], shape,
                .parts(columns: head))
        case .feedForwardGate where tensors[base + suffix] == nil,
            .feedForwardUp where tensors[base + suffix] == nil:
            let rows = configuration.feedForwardLength
            return try entry(
                role, "gating_ein" + suffix, stored: [2 * rows, width], shape,
                .rows(first: role.kind == .feedForwardGate ? 0 : rows))
        default:
            return try entry(
                role, base + suffix, stored: shape.count == 1 ? [1] + shape : shape, shape, .rows(first: 0))
        }
    }

    private func entry(
        _ role: TensorRole, _ name: String, stored: [Int], _ shape: [Int], _ order: SBSMatrix.Order
    ) throws(CheckpointError) -> TensorEntry {
        let path = file.file.path
        guard let tensor = tensors[name], let range = file.blobs[name] else {
            throw CheckpointError(
                .missing, path: path, subject: "tensor '\(name)'", "is missing, for \(role)")
        }
        guard let size = tensor.type.elementBytes else {
            throw CheckpointError(
                .unsupported, path: path, subject: "tensor '\(name)'",
                "has elements of type \(tensor.type); f32, bf16 and sfp are read")
        }
        guard [tensor.rows, tensor.columns] == stored, range.count == tensor.rows * tensor.columns * size
        else {
            throw CheckpointError(
                .inconsistent, path: path, subject: "tensor '\(name)'",
                "is \(tensor.rows) x \(tensor.columns) in \(range.count) bytes, expected \(stored.extents) of \(size)"
            )
        }
        let matrix = SBSMatrix(
            tensor, file: file.file, range: range, rows: shape.count == 1 ? 1 : shape[0],
            columns: shape.last ?? 1, order: order)
        return TensorEntry(
            name: name, shape: shape, type: matrix.type, file: file.file, range: range, packing: matrix)
    }
}
