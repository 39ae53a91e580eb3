extension ModelCheckpoint {
    /// Checks that every required tensor is there once and has the shape that the configuration says.
    func checkTensors() throws(CheckpointError) {
        var present: [TensorRole: TensorEntry] = [:]
        for tensor in tensors {
            if let other = present.updateValue(tensor.entry, forKey: tensor.role) {
                throw CheckpointError(
                    .inconsistent, path: tensor.entry.file.path, subject: "tensor '\(tensor.entry.name)'",
                    "means the same as tensor '\(other.name)' in \(other.file.path)")
            }
            if let layer = tensor.role.layer, layer >= configuration.layerCount {
                throw CheckpointError(
                    .inconsistent, path: tensor.entry.file.path, subject: "tensor '\(tensor.entry.name)'",
                    "belongs to block \(layer), \(source.place) says that there are \(configuration.layerCount), numbered "
                        + "from 0")
            }
            try checkShape(tensor)
        }
        for row in configuration.architecture.tensorTable where row.required {
            for layer in row.hasLayers ? (0..<configuration.layerCount).map(Optional.some) : [nil] {
                let role = TensorRole(row.kind, layer: layer)
                guard present[role] == nil else { continue }
                let name = source.scheme.name(of: role, in: configuration.architecture) ?? "\(role)"
                throw CheckpointError(
                    .missing, path: path, subject: "tensor '\(name)'",
                    layer == nil
                        ? "is missing"
                        : "is missing; \(source.place) says that there are \(configuration.layerCount) blocks",
                    advice: "the download may be incomplete")
            }
        }
        if !configuration.tiesEmbeddings, present[TensorRole(.output)] == nil {
            let name = source.scheme.name(of: TensorRole(.output), in: configuration.architecture) ?? "output"
            throw CheckpointError(
                .missing, path: path, subject: "tensor '\(name)'",
                "is missing, and config.json does not tie it to the token embedding (tie_word_embeddings)",
                advice: "the download may be incomplete")
        }
    }

    private func checkShape(_ tensor: Tensor) throws(CheckpointError) {
        guard var expected = configuration.shape(of: tensor.role) else { return }
        var found = tensor.entry.shape
        if case .hub = source, tensor.role.isVocabulary,
            found.count == 2, found[0] > expected[0]
        {
            // Rows beyond the vocabulary pad the matrix for the makers' hardware; they stand for no token.
            found[0] = expected[0]
        }
        // GGUF does not store trailing extents of one.
        while found.count < expected.count, expected.first == 1 { expected.removeFirst() }
        guard found == expected else {
            throw CheckpointError(
                .inconsistent, path: tensor.entry.file.path, subject: "tensor '\(tensor.entry.name)'",
                "is \(tensor.entry.shape.extents)\(expected.count == 2 ? " (rows x columns)" : ""), "
                    + "\(source.place) makes it \(expected.extents)"
            )
        }
    }
}

extension ModelCheckpoint.Source {
    /// Where the configuration stands, as people call it.
    fileprivate var place: String {
        switch self {
        case .gguf: "the metadata"
        case .sbs: "blob 'config'"
        case .hub: "config.json"
        }
    }
}

extension Array<Int> {
    /// Extents as people write them: `640 x 2048`.
    package var extents: String { isEmpty ? "a scalar" : map(String.init).joined(separator: " x ") }
}
