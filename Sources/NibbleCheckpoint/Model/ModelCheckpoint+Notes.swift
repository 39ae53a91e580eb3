internal import NibbleNumerics

extension ModelCheckpoint {
    /// The types of the tensors that are quantized already, in words: `Q4_K, Q6_K`; nil where none is.
    package var quantizedTypes: String? {
        let types = Set(tensors.map(\.entry.type).filter(\.isQuantized).map(\.description))
        return types.isEmpty ? nil : types.sorted().joined(separator: ", ")
    }

    /// Whether matrices are stored as codes, scales and offsets apart, as MLX and compressed-tensors do.
    package var hasPackedMatrices: Bool {
        tensors.contains { $0.entry.packing != nil && $0.entry.type.isQuantized }
    }

    /// Whether it is a GGUF file of quantized weights: what llama.cpp runs as it is.
    public var isQuantizedFile: Bool {
        guard case .gguf = source else { return false }
        return quantizedTypes != nil
    }
}

// Where the parts of a hub folder contradict each other in what matters.
extension ModelCheckpoint {
    /// Notes what config.json says otherwise than the tensors.
    ///
    /// - Throws: ``CheckpointError`` where rows are left out that belong to tokens.
    mutating func noteContradictions(
        _ description: HubDescription, statesTie: Bool
    ) throws(CheckpointError) {
        if statesTie, !configuration.tiesEmbeddings { noteHead(description.path) }
        noteBiases(description)
        try notePadding(description)
    }

    private func entry(_ role: TensorRole) -> TensorEntry? { tensors.first { $0.role == role }?.entry }

    private mutating func noteHead(_ path: String) {
        guard let head = entry(TensorRole(.output)) else { return }
        notes.append(
            CheckpointNote(
                path: path, subject: "'tie_word_embeddings'",
                "is true, but '\(head.name)' is there; it is taken as the vocabulary head"))
    }

    /// `transformers` leaves out biases that the configuration does not announce; llama.cpp takes what is there.
    private mutating func noteBiases(_ description: HubDescription) {
        let biases = tensors.filter { $0.role.part == .bias }
        guard !biases.isEmpty, configuration.architecture != .qwen2 else { return }
        for (field, isMeant) in [
            ("attention_bias", { (role: TensorRole) in !role.kind.isFeedForward }),
            ("mlp_bias", { (role: TensorRole) in role.kind.isFeedForward }),
        ] {
            let found = biases.filter { isMeant($0.role) }
            guard !found.isEmpty, description.flag(field) != true else { continue }
            notes.append(
                CheckpointNote(
                    path: description.path, subject: "'\(field)'",
                    "is not true, but \(found.count) biases are there (\(found.map(\.entry.name).listed(2))); they are "
                        + "added, as llama.cpp does"))
        }
    }

    /// Rows of embedding and head that stand for no token.
    private mutating func notePadding(_ description: HubDescription) throws(CheckpointError) {
        let rows = configuration.vocabularySize
        if let found = entry(TensorRole(.tokenEmbedding))?.shape.first, found > rows,
            // What is wrong with the tokenizer otherwise is said when it is needed.
            let lost = (try? HubTokenizer(description))?.withoutRows.filter({ $0.key < found }), !lost.isEmpty
        {
            throw CheckpointError(
                .inconsistent, path: description.path, subject: "'vocab_size'",
                "is \(rows), the embedding has \(found) rows, and the tokenizer names \(lost.count) of those beyond: "
                    + lost.sorted { $0.key < $1.key }.map { "\($0.key) '\($0.value)'" }.listed(),
                advice: "set vocab_size to \(found) if these tokens were trained")
        }
        for role in [TensorRole(.tokenEmbedding), TensorRole(.output)] {
            guard let entry = entry(role), let found = entry.shape.first, found > rows else { continue }
            notes.append(
                CheckpointNote(
                    path: entry.file.path, subject: "tensor '\(entry.name)'",
                    "has \(found) rows, config.json says 'vocab_size' \(rows): the last \(found - rows) rows are left "
                        + "out"))
        }
    }

    /// Adds the first tensor that is carried over, but not computed, to ``obstacles``.
    mutating func noteUncomputed() {
        guard let tensor = tensors.first(where: { $0.role.part == .bias && $0.role.kind.isFeedForward })
        else { return }
        obstacles.append(
            CheckpointError(
                .unsupported, path: tensor.entry.file.path, subject: "tensor '\(tensor.entry.name)'",
                "is a bias of a feed-forward layer, which is converted, but not computed"))
    }
}

extension TensorRole.Kind {
    /// Whether the tensor belongs to a matrix of the feed-forward layer.
    package var isFeedForward: Bool {
        self == .feedForwardGate || self == .feedForwardUp || self == .feedForwardDown
    }
}
