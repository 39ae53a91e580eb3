internal import NibbleNumerics
internal import NibbleTensor

// @unchecked: as TrainedMatrix.
/// Moments of AdamW in 8 bits, `[rows, columns]`, in blocks that end with their row.
final class BlockwiseMoments: @unchecked Sendable {
    /// `[rows, columns]`
    let codes: Memory
    /// `[rows, blocksPerRow]`
    let magnitudes: Memory
    let blocksPerRow: Int
    private let columns: Int
    private let quantization: DynamicQuantization

    init(rows: Int, columns: Int, _ quantization: DynamicQuantization) {
        self.columns = columns
        self.quantization = quantization
        blocksPerRow = DynamicQuantization.blocks(columns)
        codes = Memory(byteCount: rows * columns)
        magnitudes = Memory(byteCount: rows * blocksPerRow * 4)
    }

    /// Bytes of moments that are kept so.
    static func byteCount(rows: Int, columns: Int) -> Int {
        rows * (columns + 4 * DynamicQuantization.blocks(columns))
    }

    private func codes(ofRow row: Int) -> UnsafeMutablePointer<UInt8> {
        codes.bound(to: UInt8.self) + row * columns
    }

    /// The moments of some rows.
    func load(_ rows: Range<Int>, into values: UnsafeMutablePointer<Float>) {
        for row in rows {
            quantization.decode(
                codes(ofRow: row), magnitudes: magnitudes.floats + row * blocksPerRow, count: columns,
                into: values + (row - rows.lowerBound) * columns)
        }
    }

    /// Keeps them.
    func store(_ rows: Range<Int>, _ values: UnsafePointer<Float>, level: KernelLevel) {
        for row in rows {
            quantization.encode(
                values + (row - rows.lowerBound) * columns, count: columns, into: codes(ofRow: row),
                magnitudes: magnitudes.floats + row * blocksPerRow, level: level)
        }
    }
}
