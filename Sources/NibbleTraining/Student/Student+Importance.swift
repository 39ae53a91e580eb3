public import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension Student {
    /// Takes as learned scales those that the codec chooses where the errors of columns are weighted, as a conversion
    /// with an importance matrix does, and encodes the weights with them. Matrices without a weight keep their scales.
    ///
    /// - Precondition: scales are learned.
    public func chooseScales(_ importance: InputImportance) throws(CheckpointError) {
        precondition(options.config.scales == .learned, "scales are recomputed")
        for matrix in matrices {
            guard let weights = importance.weights[matrix.role], matrix.scales != nil else { continue }
            precondition(
                weights.count == matrix.columns, "\(weights.count) weights, \(matrix.columns) columns")
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                try matrix.chooseScales(rows, importance: weights, level: compute.level)
                matrix.scales?.anchor(rows, for: matrix.weights(rows).span, level: compute.level)
                try matrix.encode(rows, level: compute.level)
            }
        }
    }
}

extension TrainedMatrix {
    /// The scales of some rows from blocks that are encoded with weighted errors.
    func chooseScales(_ range: Range<Int>, importance: [Float], level: KernelLevel) throws(CheckpointError) {
        guard let scales else { return }
        var blocks = [UInt8](repeating: 0, count: range.count * quantizer.rowBytes)
        var blockSpan = blocks.mutableSpan
        var raw = blockSpan.mutableBytes
        do {
            try quantizer.codec.encode(
                weights(range).span, columns: columns, importance: importance.span, into: &raw, level: level)
        } catch {
            throw CheckpointError(
                .invalidValue, path: "student", subject: "tensor '\(name)', rows \(range)",
                "cannot be encoded as \(quantizer.codec.name): \(error)")
        }
        let target = scales.values(range)
        // Blocks of Q4_0, Q5_0 and Q8_0 begin with their scale.
        let size = quantizer.rowBytes / scales.perRow
        for index in target.indices {
            let bits = UInt16(blocks[index * size]) | UInt16(blocks[index * size + 1]) << 8
            let scale = Half.float(f16: bits)
            // A search may find 0 where little matters: the codec's own scale serves until one of the weights does.
            if scale != 0 { target[index] = scale }
        }
    }
}
