internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

extension QuantizedMatrices {
    /// Throws where the input of some matrices of a block holds NaN or infinity.
    ///
    /// - Parameters:
    ///   - sequence: which of the calibration text's sequences `input` begins with.
    func check(
        _ input: Tensor, of group: Sublayer.InputGroup, layer: Int, in model: LanguageModel, sequence: Int
    ) throws(CheckpointError) {
        guard let kind = group.kinds.first else { return }
        try check(input, "input", of: TensorRole(kind, layer: layer), in: model, sequence: sequence)
    }

    /// Throws where a residual stream that came out of a block holds NaN or infinity, and names the weight of the block that
    /// is no number, or else the first matrix of the block that meets such an input.
    ///
    /// - Parameters:
    ///   - stream: what came out.
    ///   - before: the stream before the block.
    ///   - model: the model whose block it is.
    func check(
        _ stream: Tensor, outOf layer: Int, of model: LanguageModel, sequence: Int,
        before: () throws(CheckpointError) -> Tensor
    ) throws(CheckpointError) {
        guard !stream.isFinite else { return }
        try checkWeights(of: layer, model.compute)
        var inner = try before()
        for sublayer in Sublayer.allCases {
            for group in sublayer.groups {
                let input = model.input(of: group, layer: layer, inner)
                try check(input, of: group, layer: layer, in: model, sequence: sequence)
            }
            inner = model.advance(inner, through: sublayer, of: layer)
            guard let kind = sublayer.last.kinds.last else { continue }
            try check(
                inner, "output, added to the residual stream,", of: TensorRole(kind, layer: layer), in: model,
                sequence: sequence)
        }
        throw ModelError.nonFinite(
            layer: layer, layerCount: model.configuration.layerCount, path: model.path
        ).checkpointError
    }

    /// Throws where a weight of a block is no number.
    private func checkWeights(of layer: Int, _ compute: Compute) throws(CheckpointError) {
        for tensor in tensors where tensor.role.layer == layer {
            try compute.forEachRows(of: tensor.rows) { rows throws(CheckpointError) in
                let values = Memory(byteCount: 4 * rows.count * tensor.columns)
                try weights.load(rows, of: tensor, into: values.floats(0..<rows.count, of: tensor.columns))
            }
        }
    }

    private func check(
        _ tensor: Tensor, _ what: String, of role: TensorRole, in model: LanguageModel, sequence: Int
    ) throws(CheckpointError) {
        guard let fault = tensor.firstNonFinite else { return }
        var path = model.path
        var name = NamingScheme.gguf.name(of: role, in: model.configuration.architecture) ?? "\(role)"
        if let planned = self[role], case .stored(let entry) = planned.source {
            (path, name) = (entry.file.path, entry.name)
        }
        throw CheckpointError(
            .invalidValue, path: path, subject: "tensor '\(name)'",
            "its \(what) \(WeightFault.text(nonFinite: fault.value)) at token \(fault.position) of sequence "
                + "\(sequence + fault.sequence) of the calibration text, column \(fault.feature)",
            advice:
                "weights or norms before it are damaged or too large, or the checkpoint was trained to divergence"
        )
    }
}
