package import NibbleCheckpoint
package import NibbleNumerics
import NibbleQuantization
package import NibbleTensor

/// A matrix while calibration chooses its codes and scales.
package struct CalibratedMatrix: Sendable {
    /// What it is for.
    package let role: TensorRole
    /// Its GGUF name.
    package let name: String
    /// The tensor that its weights are from, and the file which holds that.
    package let source: (path: String, tensor: String)
    /// The row of the tensor that it begins with: it may be a band of one.
    let firstRow: Int
    /// Outputs.
    package let rows: Int
    /// Inputs.
    package let columns: Int
    /// How it is stored.
    package let grid: WeightGrid
    /// `[rows, columns]`: what is to be rounded, afterwards what it is decoded to.
    package let weights: Memory
    /// `[rows, grid.recordsPerRow]`: the scales and minima of the blocks.
    package let records: Memory
    /// The encoded rows.
    package let blocks: Memory
    /// What to do about a weight that the codec cannot hold.
    package let advice: String

    /// A matrix of zeros.
    init(
        role: TensorRole, name: String, source: (path: String, tensor: String), firstRow: Int = 0, rows: Int,
        grid: WeightGrid, advice: String
    ) {
        self.role = role
        self.name = name
        self.source = source
        self.firstRow = firstRow
        self.rows = rows
        columns = grid.columns
        self.grid = grid
        self.advice = advice
        weights = Memory(byteCount: 4 * rows * columns)
        records = Memory(byteCount: 4 * rows * grid.recordsPerRow)
        blocks = Memory(byteCount: rows * (grid.format.byteCount(columns: columns) ?? 0))
    }

    /// Some rows of a matrix with their weights.
    init(
        _ band: Range<Int>, of tensor: PlannedTensor, in matrices: QuantizedMatrices, grid: WeightGrid,
        compute: Compute
    ) throws(CheckpointError) {
        self.init(
            role: tensor.role, name: tensor.name, source: tensor.place, firstRow: band.lowerBound,
            rows: band.count, grid: grid, advice: matrices.advice(tensor.name))
        try compute.forEachRows(of: rows) { [self] rows throws(CheckpointError) in
            try matrices.weights.load(
                band.lowerBound + rows.lowerBound..<band.lowerBound + rows.upperBound, of: tensor,
                into: values(rows))
        }
    }

    /// The weights of some rows.
    package func values(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        weights.floats(range, of: columns)
    }

    /// The records of some rows.
    func records(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        records.floats(range, of: grid.recordsPerRow)
    }

    /// The encoded rows, as a model computes with them.
    package var matrix: Matrix {
        let matrix = Matrix(
            rows: rows, columns: columns, format: grid.format, bytes: UnsafeRawBufferPointer(blocks.bytes),
            owner: blocks)
        guard let matrix else { preconditionFailure("\(grid.format) cannot be decoded") }
        return matrix
    }

    /// Chooses scales and minima of some rows, columns weighted in the errors (``WeightGrid/choose(_:columns:importance:into:level:)``).
    func choose(_ range: Range<Int>, importance: [Float], level: KernelLevel) throws(CheckpointError) {
        precondition(
            importance.count == columns, "\(importance.count) weights for \(columns) columns of '\(name)'")
        var target = records(range).mutableSpan
        do throws(CodecError) {
            try grid.choose(
                values(range).span, columns: columns, importance: importance.span, into: &target, level: level
            )
        } catch {
            throw fault(error, in: range)
        }
    }

    /// Encodes some rows with their records.
    package func encode(_ range: Range<Int>, level: KernelLevel) throws(CheckpointError) {
        var target = bytes(range).mutableBytes
        do throws(CodecError) {
            try grid.encode(values(range).span, records: records(range).span, into: &target, level: level)
        } catch {
            throw fault(error, in: range)
        }
    }

    /// Encodes some rows as their codec does by itself.
    func roundToNearest(_ range: Range<Int>, level: KernelLevel) throws(CheckpointError) {
        guard let codec = grid.format.codec else { preconditionFailure("\(grid.format) has no codec") }
        var target = bytes(range).mutableBytes
        do throws(CodecError) {
            try codec.encode(
                values(range).span, columns: columns, importance: nil, into: &target, level: level)
        } catch {
            throw fault(error, in: range)
        }
    }

    /// The encoded rows of a range.
    private func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        let width = blocks.bytes.count / rows
        return blocks.slice(range.lowerBound * width..<range.upperBound * width)
    }

    /// The error for rows that cannot be encoded, by the name that they have in the checkpoint.
    private func fault(_ error: CodecError, in range: Range<Int>) -> CheckpointError {
        guard let codec = grid.format.codec else { preconditionFailure("\(grid.format) has no codec") }
        return WeightFault(
            error, values: UnsafeBufferPointer(values(range)), columns: columns,
            firstRow: firstRow + range.lowerBound,
            codec: codec, advice: advice
        ).error(path: source.path, tensor: source.tensor)
    }
}
