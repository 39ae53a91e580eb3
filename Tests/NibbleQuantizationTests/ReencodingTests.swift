import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

/// The table of docs/export.md: whether blocks that are decoded, stored as plain numbers and encoded again are
/// the same.
@Suite("Encoding decoded blocks again")
struct ReencodingTests {
    static let quantized: [GGMLType] = [
        .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl, .iq4_xs, .q2_0, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k,
    ]
    static let stored: [GGMLType] = [.f32, .f16, .bf16]

    /// Weights of ordinary size, as `type` encodes them.
    private func blocks(_ type: GGMLType, count: Int = 512, seed: UInt64 = 11) throws -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        var values: [Float] = []
        for _ in 0..<count { values += random.normal(type.blockSize, scale: 0.001 + 0.1 * random.uniform()) }
        return try TrainedWeights.encoded(values, rows: 1, type: type).withUnsafeBytes { Array($0) }
    }

    private func counts(_ bytes: [UInt8], _ type: GGMLType, _ stored: GGMLType) throws -> ReencodingCounts {
        try bytes.withUnsafeBytes { try Reencoding(of: type, storedAs: stored).counts($0) }
    }

    /// Of 512 blocks: identical, the same values, scales moved, codes moved.
    static let table: [(GGMLType, GGMLType, [Int])] = [
        (.q4_0, .f32, [512, 0, 0, 0]),
        (.q4_0, .f16, [512, 0, 0, 0]),
        (.q4_0, .bf16, [73, 0, 439, 0]),
        (.q4_1, .f32, [512, 0, 0, 0]),
        (.q4_1, .f16, [510, 0, 2, 0]),
        (.q4_1, .bf16, [19, 0, 493, 0]),
        (.q5_0, .f32, [512, 0, 0, 0]),
        (.q5_0, .f16, [512, 0, 0, 0]),
        (.q5_0, .bf16, [73, 0, 439, 0]),
        (.q5_1, .f32, [512, 0, 0, 0]),
        (.q5_1, .f16, [512, 0, 0, 0]),
        (.q5_1, .bf16, [23, 0, 489, 0]),
        (.q8_0, .f32, [512, 0, 0, 0]),
        (.q8_0, .f16, [509, 0, 3, 0]),
        (.q8_0, .bf16, [77, 0, 400, 35]),
        (.iq4_nl, .f32, [507, 0, 0, 5]),
        (.iq4_nl, .f16, [507, 0, 0, 5]),
        (.iq4_nl, .bf16, [147, 0, 359, 6]),
        (.iq4_xs, .f32, [481, 0, 0, 31]),
        (.iq4_xs, .f16, [481, 0, 0, 31]),
        (.iq4_xs, .bf16, [296, 0, 182, 34]),
        (.q2_0, .f32, [512, 0, 0, 0]),
        (.q2_0, .f16, [512, 0, 0, 0]),
        (.q2_0, .bf16, [65, 0, 447, 0]),
        (.q2_k, .f32, [510, 0, 0, 2]),
        (.q2_k, .f16, [484, 0, 26, 2]),
        (.q2_k, .bf16, [27, 0, 481, 4]),
        (.q3_k, .f32, [260, 1, 0, 251]),
        (.q3_k, .f16, [256, 1, 5, 250]),
        (.q3_k, .bf16, [36, 0, 223, 253]),
        (.q4_k, .f32, [512, 0, 0, 0]),
        (.q4_k, .f16, [512, 0, 0, 0]),
        (.q4_k, .bf16, [95, 0, 417, 0]),
        (.q5_k, .f32, [471, 0, 18, 23]),
        (.q5_k, .f16, [483, 0, 7, 22]),
        (.q5_k, .bf16, [106, 0, 363, 43]),
        (.q6_k, .f32, [396, 112, 0, 4]),
        (.q6_k, .f16, [396, 112, 0, 4]),
        (.q6_k, .bf16, [208, 53, 188, 63]),
    ]

    @Test("Blocks of ordinary weights fare as docs/export.md says", arguments: table)
    func ordinary(type: GGMLType, stored: GGMLType, expected: [Int]) throws {
        let counts = try counts(try blocks(type), type, stored)
        #expect(
            [counts.identical, counts.sameValues, counts.scalesMoved, counts.codesMoved] == expected)
        #expect(counts.blocks == 512)
    }

    @Test("The table has every type that Nibble writes")
    func complete() {
        let encodable = GGMLType.allCases.filter { $0.isQuantized && $0.isEncodable }
        #expect(Set(Self.table.map(\.0)) == Set(encodable))
        #expect(Self.table.count == encodable.count * Self.stored.count)
    }

    @Test(
        "Types with a plain scale survive F32, with any weights",
        arguments: [GGMLType.q4_0, .q5_0, .q8_0], [UInt64](1...5))
    func plainScales(type: GGMLType, seed: UInt64) throws {
        let counts = try counts(try blocks(type, count: 4096, seed: seed), type, .f32)
        #expect(counts.identical == 4096)
    }

    // MARK: - Blocks of Q4_0 by hand

    /// A block with scale bits `d` and codes that repeat.
    private func block(_ d: UInt16, _ codes: [UInt8]) -> [UInt8] {
        let codes = (0..<32).map { codes[$0 % codes.count] }
        return [UInt8(d & 0xFF), UInt8(d >> 8)] + (0..<16).map { codes[$0] | codes[$0 + 16] << 4 }
    }

    @Test("Zeros survive, with other bytes where the scale was not -0", arguments: stored)
    func zeros(stored: GGMLType) throws {
        #expect(try counts(block(0x8000, [8]), .q4_0, stored).identical == 1)
        #expect(try counts(block(0x0000, [8]), .q4_0, stored).sameValues == 1)
        #expect(try counts(block(0x2C00, [8]), .q4_0, stored).sameValues == 1)
        #expect(try counts(block(0x0000, [0, 5, 15]), .q4_0, stored).sameValues == 1)
    }

    @Test("Subnormal scales survive", arguments: stored, [0x0001, 0x8003, 0x0007] as [UInt16])
    func subnormal(stored: GGMLType, d: UInt16) throws {
        #expect(try counts(block(d, [0, 3, 8, 15, 11]), .q4_0, stored).identical == 1)
    }

    @Test("The largest scale survives F32, and is more than F16 holds")
    func largest() throws {
        let bytes = block(0x7BFF, [0, 9, 15])
        #expect(try counts(bytes, .q4_0, .f32).identical == 1)
        #expect(throws: CodecError.scaleOverflow(block: 0)) { try counts(bytes, .q4_0, .f16) }
    }

    @Test("A Q4_1 block whose minimum dwarfs its scale gets another scale from F32, and keeps its values")
    func largeMinimum() throws {
        // d = 2^-14 (1 + 2^-10), m = 1000: m + 15 d lies between two F32 numbers, 2^-14 apart.
        let codes = block(0x0401, [0, 15, 7]).dropFirst(2)
        let bytes: [UInt8] = [0x01, 0x04, 0xD0, 0x63] + codes
        #expect(try counts(bytes, .q4_1, .f32).sameValues == 1)
    }

    @Test("A block without the extreme code gets another scale, and is counted", arguments: stored)
    func noExtreme(stored: GGMLType) throws {
        let bytes =
            block(0x2C00, [1, 2, 14]) + block(0x2C00, [0, 15]) + block(0xA955, [15, 7, 9])
            + block(0x2C00, [4, 10, 8])
        let counts = try counts(bytes, .q4_0, stored)
        #expect(counts.identical == 1)
        // -4 d becomes -8 (d / 2): twice the codes on half the grid are the same values.
        #expect(counts.sameValues == 1)
        #expect(counts.changed == 2 && counts.codesMoved == 2)
    }
}
