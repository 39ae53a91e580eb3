import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

/// A stored matrix and what it decodes to.
struct Weights {
    let matrix: Matrix
    let type: GGMLType
    let bytes: [UInt8]
    /// `[row][column]`, as the codec's reference decodes them.
    let values: [Float]
    var rows: Int { matrix.rows }
    var columns: Int { matrix.columns }

    /// Random weights of about 0.05.
    ///
    /// - Parameter slack: bytes between the last one and memory that cannot be read.
    init(_ type: GGMLType, rows: Int, columns: Int, seed: UInt64, slack: Int = 0) throws {
        var random = SeededGenerator(seed: seed)
        let bytes: [UInt8]
        switch type {
        case .f32: bytes = random.normal(rows * columns, scale: 0.05).flatMap { littleEndian($0.bitPattern) }
        case .f16:
            bytes = random.normal(rows * columns, scale: 0.05).flatMap { littleEndian(Half.f16($0)) }
        case .bf16:
            bytes = random.normal(rows * columns, scale: 0.05).flatMap { littleEndian(Half.bf16($0)) }
        default: bytes = type.randomBlocks(rows * columns / type.blockSize, random: &random)
        }
        try self.init(type, rows: rows, columns: columns, bytes: bytes, slack: slack)
    }

    /// Weights that are stored as `bytes`.
    init(_ type: GGMLType, rows: Int, columns: Int, bytes: [UInt8], slack: Int = 0) throws {
        let guarded = GuardedBytes(bytes, slack: slack)
        matrix = try #require(
            Matrix(rows: rows, columns: columns, type: type, bytes: guarded.bytes, owner: guarded))
        let codec = try #require(type.codec)
        var values = [Float](repeating: .nan, count: rows * columns)
        var span = values.mutableSpan
        codec.decodeReference(bytes.span.bytes, columns: columns, into: &span)
        self.type = type
        self.bytes = bytes
        self.values = values
    }

    /// F32 weights.
    init(rows: [[Float]]) throws {
        try self.init(
            .f32, rows: rows.count, columns: rows[0].count,
            bytes: rows.flatMap { $0.flatMap { littleEndian($0.bitPattern) } })
    }

    subscript(row: Int) -> ArraySlice<Float> { values[row * columns..<(row + 1) * columns] }
}

/// The bytes of an integer, lowest first.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
}

extension GGMLType {
    /// The types that Nibble reads.
    static let readable = allCases.filter { $0.codec != nil && $0 != .f64 }
    /// The types with byte codes.
    static let withByteCodes: [GGMLType] = [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_k, .q5_k, .iq4_nl]

    /// Random codes, and scales between ±0.0005 and ±0.004.
    func randomBlocks(_ count: Int, random: inout SeededGenerator) -> [UInt8] {
        var bytes = random.bytes(count * blockBytes)
        for block in 0..<count {
            setScales(&bytes, block: block) {
                let size = 0.0005 + 0.0035 * random.uniform()
                return random.uniform() < 0.5 ? size : -size
            }
        }
        return bytes
    }
}
