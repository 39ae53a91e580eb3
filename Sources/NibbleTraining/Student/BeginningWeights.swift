internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// The weights that a trained matrix begins with: the teacher's, drawn within their cells where they lie on a grid.
struct BeginningWeights: Sendable {
    let tensor: PlannedTensor
    let entry: TensorEntry
    /// Nil where the teacher's weights are taken as they are.
    var dither: Dither?
    let level: KernelLevel

    func load(_ rows: Range<Int>, into values: UnsafeMutableBufferPointer<Float>) throws(CheckpointError) {
        if let dither, entry.type.hasCells {
            return try StoredWeights(level: level, dither: dither).load(rows, of: tensor, into: values)
        }
        try StoredWeights(level: level).load(rows, of: tensor, into: values)
        guard let dither else { return }
        var span = values.mutableSpan
        dither.spread(
            &span, firstElement: UInt64(rows.lowerBound * entry.columns),
            stream: Dither.stream(of: entry.name))
    }

    /// One row.
    func row(_ row: Int) throws(CheckpointError) -> [Float] {
        var values = [Float](repeating: 0, count: entry.columns)
        try values.withUnsafeMutableBufferPointer { values throws(CheckpointError) in
            try load(row..<row + 1, into: values)
        }
        return values
    }
}
