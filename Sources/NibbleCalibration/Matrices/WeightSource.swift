package import NibbleCheckpoint
package import NibbleNumerics
package import NibbleQuantization

/// Where the weights come from that are to be rounded.
package protocol WeightSource: Sendable {
    /// Puts the weights of some rows of a matrix, in the order of the checkpoint, into `values`.
    ///
    /// - Throws: `CheckpointError` where one is NaN or infinite.
    func load(
        _ rows: Range<Int>, of tensor: PlannedTensor, into values: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError)
}

/// The weights that a checkpoint stores, where asked for drawn within their quantization cells.
package struct StoredWeights: WeightSource {
    private let level: KernelLevel
    /// What draws the weights of quantized matrices; nil takes what they are decoded to.
    private let dither: Dither?

    /// Weights of the checkpoint that is planned for.
    package init(level: KernelLevel, dither: Dither? = nil) {
        self.level = level
        self.dither = dither
    }

    package func load(
        _ rows: Range<Int>, of tensor: PlannedTensor, into values: UnsafeMutableBufferPointer<Float>
    ) throws(CheckpointError) {
        guard case .stored(let entry) = tensor.source else {
            preconditionFailure("'\(tensor.name)' is not stored")
        }
        let columns = entry.columns
        let first = rows.lowerBound * columns
        guard let codec = entry.type.codec, let stored = entry.elements(first..<rows.upperBound * columns)
        else { throw entry.undecodable }
        var span = values.mutableSpan
        if let dither {
            withExtendedLifetime(stored.owner) {
                dither.decode(
                    RawSpan(_unsafeBytes: stored.bytes), type: entry.type, columns: columns,
                    firstElement: UInt64(first), stream: Dither.stream(of: entry.name), into: &span)
            }
        } else {
            stored.decode(codec, columns: columns, into: &span, level: level)
        }
        guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
        throw WeightFault(
            .nonFiniteValue(index: place, value: values[place]), values: UnsafeBufferPointer(values),
            columns: columns, firstRow: rows.lowerBound, codec: codec, advice: WeightFault.damaged
        ).error(path: entry.file.path, tensor: entry.name)
    }
}
