extension ModelCheckpoint {
    /// Checks that every required tensor is there once and has the shape that the configuration says.
    func checkTensors() throws(CheckpointError) {
        var present: [TensorRole: TensorEntry] = [:]
        for tensor in tensors {
            if let other = present.updateValue(tensor.entry, forKey: tensor.role) {
                throw CheckpointError(
                    .inconsistent, path: tensor.entry.file.path, subject: "tensor '\(tensor.entry.name)'",
                    "means the same as tensor '\(other.name)'")
            }
            if let layer = tensor.role.layer, layer >= configuration.layerCount {
                throw CheckpointError(
                    .inconsistent, path: tensor.entry.file.path, subject: "tensor '\(tensor.entry.name)'",
                    "belongs to block \(layer), the model has \(configuration.layerCount)")
            }
            try checkShape(tensor)
        }
        for row in configuration.architecture.tensorTable where row.required {
            for layer in row.hasLayers ? (0..<configuration.layerCount).map(Optional.some) : [nil] {
                let role = TensorRole(row.kind, layer: layer)
                guard present[role] == nil else { continue }
                let name = source.scheme.name(of: role, in: configuration.architecture) ?? "\(role)"
                throw CheckpointError(
                    .missing, path: path, subject: "tensor '\(name)'", "is missing",
                    advice: "the download may be incomplete")
            }
        }
        if !configuration.tiesEmbeddings, present[TensorRole(.output)] == nil {
            let name = source.scheme.name(of: TensorRole(.output), in: configuration.architecture) ?? "output"
            throw CheckpointError(
                .missing, path: path, subject: "tensor '\(name)'",
                "is missing, and the configuration does not tie it to the token embedding")
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
                "has shape \(tensor.entry.shape), the configuration says \(expected)")
        }
    }
}
