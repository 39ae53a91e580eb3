internal import NibbleCheckpoint
public import NibbleNumerics

/// A matrix in a format that GGUF lacks, as the tensors of a hub folder: codes and scales of ``Int4`` in the form of
/// compressed-tensors, or the values of ``SFP8``, which are BF16's.
///
/// Both hold the encoded rows to the bit: what is read back, encoded again, has the same bytes.
public struct PackedMatrix: Sendable, Equatable {
    /// A tensor of the output.
    public enum Part: Sendable {
        /// Codes, eight in a word.
        case codes
        /// Scales.
        case scales
        /// The number of rows and of columns.
        case shape
        /// The values that the codes stand for.
        case values
    }

    /// How rows are encoded: `.int4` or `.sfp8`.
    public let format: WeightFormat
    /// Rows.
    public let rows: Int
    /// Elements of a row.
    public let columns: Int

    /// The tensors that the matrix is made of.
    var parts: [Part] {
        switch format {
        case .int4: [.codes, .scales, .shape]
        case .sfp8, .ggml: [.values]
        }
    }

    /// Scales of a row.
    private var groups: Int { if case .int4(let group) = format { columns / (group ?? columns) } else { 0 } }

    /// Extents of a part.
    func shape(_ part: Part) -> [Int] {
        switch part {
        case .codes:
            [rows, (columns + CompressedTensors.codesPerWord - 1) / CompressedTensors.codesPerWord]
        case .scales: [rows, groups]
        case .shape: [2]
        case .values: [rows, columns]
        }
    }

    /// The element type of a part.
    func type(_ part: Part) -> GGMLType {
        switch part {
        case .codes: .i32
        case .scales, .values: .bf16
        case .shape: .i64
        }
    }

    /// What stands behind the name of the matrix.
    func suffix(_ part: Part) -> String {
        switch part {
        case .codes: CompressedTensors.packed
        case .scales: CompressedTensors.scale
        case .shape: CompressedTensors.shape
        case .values: ""
        }
    }

    /// Writes what `part` holds of an encoded row, as many bytes as a row of the part has; of the shape all.
    ///
    /// - Parameter row: `format.byteCount(columns:)` bytes.
    func write(_ part: Part, of row: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) {
        switch part {
        case .codes:
            let codes = row[(2 * groups)...]
            for (index, byte) in codes.enumerated() {
                // Two's complement plus 8 is the sign bit turned around. Nothing follows the last of an odd row.
                let isHalf = index == codes.count - 1 && !columns.isMultiple(of: 2)
                target[index] = byte ^ (isHalf ? 0x08 : 0x88)
            }
            for index in codes.count..<target.count { target[index] = 0 }
        case .scales: target.copyMemory(from: UnsafeRawBufferPointer(rebasing: row[..<(2 * groups)]))
        case .shape:
            for (index, extent) in [rows, columns].enumerated() {
                target.storeBytes(of: Int64(extent).littleEndian, toByteOffset: 8 * index, as: Int64.self)
            }
        case .values:
            let values = [Float](unsafeUninitializedCapacity: columns) { buffer, count in
                buffer.initialize(repeating: 0)
                var span = buffer.mutableSpan
                format.codec?.decode(
                    RawSpan(_unsafeBytes: row), columns: columns, into: &span, level: .best)
                count = columns
            }
            for (index, value) in values.enumerated() {
                target.storeBytes(
                    of: Half.bf16(value).littleEndian, toByteOffset: 2 * index, as: UInt16.self)
            }
        }
    }

    /// The first element of an encoded row whose scale is NaN or infinite; nil where there is none.
    func firstInvalidElement(_ row: UnsafeRawBufferPointer) -> Int? {
        for group in 0..<groups {
            let scale = row.loadUnaligned(fromByteOffset: 2 * group, as: UInt16.self)
            if UInt16(littleEndian: scale) & 0x7F80 == 0x7F80 { return group * (columns / groups) }
        }
        return nil
    }
}
