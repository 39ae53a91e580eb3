package import NibbleCheckpoint
package import NibbleNumerics
package import NibbleQuantization
package import NibbleTensor

/// A matrix while calibration chooses its codes and scales.
package struct CalibratedMatrix: Sendable {
    /// What it is for.
    package let role: TensorRole
    /// Its GGUF name.
    package let name: String
    /// The tensor that its weights are from, and the file which holds that.
    package let source: (path: String, tensor: String)
    /// Outputs.
    package let rows: Int
    /// Inputs.
    package let columns: Int
    /// How it is stored.
    package let codec: ScaledBlocks
    /// `[rows, columns]`: what is to be rounded, afterwards what it is decoded to.
    package let weights: Memory
    /// `[rows, columns / 32]`: the scales of the blocks.
    package let scales: Memory
    /// The encoded rows.
    package let blocks: Memory
    /// What to do about a weight that the codec cannot hold.
    package let advice: String

    /// A matrix of zeros.
    init(
        role: TensorRole, name: String, source: (path: String, tensor: String), rows: Int, columns: Int,
        codec: ScaledBlocks, advice: String
    ) {
        self.role = role
        self.name = name
        self.source = source
        self.rows = rows
        self.columns = columns
        self.codec = codec
        self.advice = advice
        let count = rows * columns
        weights = Memory(byteCount: 4 * count)
        scales = Memory(byteCount: 4 * count / ScaledBlocks.blockSize)
        blocks = Memory(byteCount: count / ScaledBlocks.blockSize * codec.type.blockBytes)
    }

    /// A matrix with its weights, and the scales that the codec chooses for them.
    package init(
        _ tensor: PlannedTensor, of matrices: QuantizedMatrices, codec: ScaledBlocks, compute: Compute
    ) throws(CheckpointError) {
        self.init(
            role: tensor.role, name: tensor.name, source: tensor.place, rows: tensor.rows,
            columns: tensor.columns, codec: codec, advice: matrices.advice(tensor.name))
        try compute.forEachRows(of: rows) { [self] rows throws(CheckpointError) in
            try matrices.weights.load(rows, of: tensor, into: values(rows))
            var span = scales(rows).mutableSpan
            codec.chooseScales(values(rows).span, into: &span)
        }
    }

    /// Scales of a row.
    package var scalesPerRow: Int { columns / ScaledBlocks.blockSize }

    /// The weights of some rows.
    package func values(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        weights.floats(range, of: columns)
    }

    /// The scales of some rows.
    package func scales(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        scales.floats(range, of: scalesPerRow)
    }

    /// The encoded rows, as a model computes with them.
    package var matrix: Matrix {
        let matrix = Matrix(
            rows: rows, columns: columns, type: codec.type, bytes: UnsafeRawBufferPointer(blocks.bytes),
            owner: blocks)
        guard let matrix else { preconditionFailure("\(codec.type) cannot be decoded") }
        return matrix
    }

    /// Takes the scales of some rows that lower the error where columns are weighted (`ScaledBlocks.searchScales`).
    package func searchScales(
        _ range: Range<Int>, importance: [Float], level: KernelLevel
    ) throws(CheckpointError) {
        precondition(
            importance.count == columns, "\(importance.count) weights for \(columns) columns of '\(name)'")
        var target = scales(range).mutableSpan
        do throws(CodecError) {
            try codec.searchScales(
                values(range).span, importance: importance.span, into: &target, level: level)
        } catch {
            throw fault(error, in: range)
        }
    }

    /// Encodes some rows with their scales.
    package func encode(_ range: Range<Int>, level: KernelLevel) throws(CheckpointError) {
        let width = blocks.bytes.count / rows
        var target = blocks.slice(range.lowerBound * width..<range.upperBound * width).mutableBytes
        do throws(CodecError) {
            try codec.encode(values(range).span, scales: scales(range).span, into: &target, level: level)
        } catch {
            throw fault(error, in: range)
        }
    }

    /// The error for rows that cannot be encoded, by the name that they have in the checkpoint.
    private func fault(_ error: CodecError, in range: Range<Int>) -> CheckpointError {
        WeightFault(
            error, values: UnsafeBufferPointer(values(range)), columns: columns, firstRow: range.lowerBound,
            codec: codec.codec, advice: advice
        ).error(path: source.path, tensor: source.tensor)
    }
}
