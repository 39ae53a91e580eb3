package import NibbleCheckpoint
package import NibbleNumerics
internal import NibbleQuantization
package import NibbleTensor

/// A matrix that calibration rounds in place, wherever its weights are from.
package struct CalibratedMatrix: Sendable {
    /// What it is for.
    package let role: TensorRole
    /// Its GGUF name.
    package let name: String
    /// The tensor that it began as, and the file which holds that.
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
    /// The encoded rows, which the quantized model computes with.
    package let blocks: Memory
    /// What the gradients of the quantized model are keyed by.
    package let parameter: Parameter
    /// What to do about a weight that the codec cannot hold.
    package let advice: String

    /// Describes a matrix.
    package init(
        role: TensorRole, name: String, source: (path: String, tensor: String), rows: Int, columns: Int,
        codec: ScaledBlocks, weights: Memory, scales: Memory, blocks: Memory, parameter: Parameter,
        advice: String
    ) {
        self.role = role
        self.name = name
        self.source = source
        self.rows = rows
        self.columns = columns
        self.codec = codec
        self.weights = weights
        self.scales = scales
        self.blocks = blocks
        self.parameter = parameter
        self.advice = advice
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
