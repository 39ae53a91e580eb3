public import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension Student {
    /// Takes as learned scales those with small errors where columns are weighted (`ScaledBlocks.searchScales`), and
    /// encodes the weights with them. Matrices without a weight keep their scales.
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
                try matrix.encode(rows, level: compute.level)
            }
        }
    }
}

extension TrainedMatrix {
    /// The scales of some rows with small errors where columns are weighted.
    func chooseScales(_ range: Range<Int>, importance: [Float], level: KernelLevel) throws(CheckpointError) {
        guard let scales else { return }
        var target = scales.values(range).mutableSpan
        do {
            try scales.blocks.searchScales(
                weights(range).span, importance: importance.span, into: &target, level: level)
        } catch {
            throw fault(error, in: range)
        }
    }
}
