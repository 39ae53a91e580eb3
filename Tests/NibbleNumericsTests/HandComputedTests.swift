import NibbleNumerics
import Testing

/// Blocks that were worked out on paper; comments give the arithmetic.
@Suite("Blocks worked out by hand")
struct HandComputedTests {
    @Test("Q4_0 stores all 16 codes", arguments: Implementation.all)
    func q4_0(implementation: Implementation) throws {
        // Extreme -4, d = -4 / -8 = 0.5 = 0x3800; codes x / 0.5 + 8.
        let x = (0..<16).map { Float($0 - 8) / 2 } + (0..<16).map { Float(7 - $0) / 2 }
        try check(Q4_0(), x, "00 38 F0 E1 D2 C3 B4 A5 96 87 78 69 5A 4B 3C 2D 1E 0F", implementation)
    }

    @Test("Q4_0: ties go up in units of d, the opposite extreme is clamped", arguments: Implementation.all)
    func q4_0Ties(implementation: Implementation) throws {
        // Extreme 8, d = -1 = 0xBC00, codes 8 - x: 8 -> 0; 0.5 -> ⌊8⌋ = 8; -0.5 -> 9; 1.5 -> 7; -8 -> 16, so 15.
        var x = [Float](repeating: 0, count: 32)
        (x[0], x[1], x[2], x[3], x[4]) = (8, 0.5, -0.5, 1.5, -8)
        let bytes = try implementation.encode(Q4_0(), x, columns: 32)
        #expect(hex(bytes) == "00 BC 80 88 89 87 8F" + String(repeating: " 88", count: 11))
        #expect(implementation.decode(Q4_0(), bytes, columns: 32)[..<6] == [8, 0, -1, 1, -7, 0])
    }

    @Test("Q4_1 stores all 16 codes", arguments: Implementation.all)
    func q4_1(implementation: Implementation) throws {
        // -1 ... 2.75: d = 3.75 / 15 = 0.25 = 0x3400, m = -1 = 0xBC00.
        let x = (0..<32).map { Float($0 < 16 ? $0 : 31 - $0) / 4 - 1 }
        try check(Q4_1(), x, "00 34 00 BC F0 E1 D2 C3 B4 A5 96 87 78 69 5A 4B 3C 2D 1E 0F", implementation)
    }

    @Test("Q5_0 stores all 32 codes", arguments: Implementation.all)
    func q5_0(implementation: Implementation) throws {
        // Extreme -8, d = -8 / -16 = 0.5 = 0x3800; the code of element j is j.
        let x = (0..<32).map { Float($0 - 16) / 2 }
        try check(
            Q5_0(), x, "00 38 00 00 FF FF 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF", implementation)
    }

    @Test("Q5_1 stores all 32 codes", arguments: Implementation.all)
    func q5_1(implementation: Implementation) throws {
        // -2 ... 13.5: d = 15.5 / 31 = 0.5 = 0x3800, m = -2 = 0xC000.
        let x = (0..<32).map { Float($0) / 2 - 2 }
        try check(
            Q5_1(), x, "00 38 00 C0 00 00 FF FF 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF",
            implementation)
    }

    @Test("Q8_0 rounds ties away from zero", arguments: Implementation.all)
    func q8_0(implementation: Implementation) throws {
        // Extreme 127, d = 1 = 0x3C00; 2.5 -> 3, -2.5 -> -3, 0.5 -> 1, -0.5 -> -1.
        var x = (0..<32).map { Float(127 - 8 * $0) }
        let codes = x.map { UInt8(bitPattern: Int8($0)) }
        try check(Q8_0(), x, "00 3C " + hex(codes), implementation)
        (x[1], x[2], x[3], x[4]) = (2.5, -2.5, 0.5, -0.5)
        let bytes = try implementation.encode(Q8_0(), x, columns: 32)
        #expect(hex(bytes[2..<7]) == "7F 03 FD 01 FF")
    }

    @Test("IQ4_NL stores all 16 levels", arguments: Implementation.all)
    func iq4_nl(implementation: Implementation) throws {
        // Half the levels: the candidate that maps -63.5 to -127 fits without error, d = 0.5 = 0x3800.
        let levels: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
        let x = (levels + levels).map { $0 / 2 }
        try check(IQ4_NL(), x, "00 38 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF", implementation)
    }

    @Test("Q2_0", arguments: Implementation.all)
    func q2_0(implementation: Implementation) throws {
        // d = 2 = 0x4000: what lies half of it from zero is ±2 already, nearer is 0; 2 d is never written.
        let x = [[-2, 1, -1, 0.99], [2, -0.99, 0, 1.5]].flatMap { $0 + [Float](repeating: 0, count: 28) }
        let zeros = Array(repeating: "55", count: 7).joined(separator: " ")
        #expect(hex(try implementation.encode(Q2_0(), x, columns: 64)) == "00 40 48 \(zeros) 96 \(zeros)")
        let codes: [UInt8] = [0x00, 0x40] + [UInt8](repeating: 0xE4, count: 16)
        let values = (0..<64).map { Float($0 % 4 * 2) - 2 }
        #expect(implementation.decode(Q2_0(), codes, columns: 64) == values)
    }

    @Test("Q2_K", arguments: Implementation.all)
    func q2_k(implementation: Implementation) throws {
        // s = 2, m = 1, d = 1, dmin = 0.5; codes 0, 1, 2, 3 of elements l, l + 32, l + 64, l + 96.
        let block =
            [UInt8](repeating: 0x12, count: 16) + [UInt8](repeating: 0xE4, count: 64) + [0, 0x3C, 0, 0x38]
        let values = (0..<256).map { Float($0 % 128 / 32 * 2) - 0.5 }
        #expect(implementation.decode(Q2_K(), block, columns: 256) == values)
    }

    @Test("Q3_K", arguments: Implementation.all)
    func q3_k(implementation: Implementation) throws {
        // Upper bits 2 everywhere, low bits 0 and 1: s = 32 for the first half, 33 for the second; d = 1.
        // Third bits of elements with l < 16 are 0, which subtracts 4.
        let thirds = (0..<32).map { UInt8($0 < 16 ? 0 : 0xFF) }
        let block =
            thirds + [UInt8](repeating: 0xE4, count: 64) + [UInt8](repeating: 0x10, count: 8)
            + [UInt8](repeating: 0xAA, count: 4) + [0, 0x3C]
        let values = (0..<256).map { index -> Float in
            let code = index % 128 / 32
            return index < 128 ? 0 : Float(index % 32 < 16 ? code - 4 : code)
        }
        #expect(implementation.decode(Q3_K(), block, columns: 256) == values)
    }

    @Test("Q4_K", arguments: Implementation.all)
    func q4_k(implementation: Implementation) throws {
        // Each sub-block holds 0 ... 15: scale 1, minimum 0. d = half(1 / 63) = 0x2410, all s = 63.
        let x = (0..<256).map { Float($0 % 16) }
        let codes = (0..<128).map { UInt8($0 % 16) * 0x11 }
        let bytes = try implementation.encode(Q4_K(), x, columns: 256)
        #expect(hex(bytes) == "10 24 00 00 FF FF FF FF 00 00 00 00 0F 0F 0F 0F " + hex(codes))
        // d = 1, dmin = 2; s[0] = 1, m[0] = 3; s[4] = 0x12, m[4] = 0x21; all codes 5.
        let block: [UInt8] =
            [0, 0x3C, 0, 0x40, 0x41, 0, 0, 0, 0x83, 0, 0, 0, 0x12, 0, 0, 0]
            + [UInt8](repeating: 0x55, count: 128)
        let decoded = implementation.decode(Q4_K(), block, columns: 256)
        #expect(decoded[0..<32].allSatisfy { $0 == 1 * 5 - 2 * 3 })
        #expect(decoded[32..<128].allSatisfy { $0 == 0 })
        #expect(decoded[128..<160].allSatisfy { $0 == 18 * 5 - 2 * 33 })
        #expect(decoded[160...].allSatisfy { $0 == 0 })
    }

    @Test("Q5_K", arguments: Implementation.all)
    func q5_k(implementation: Implementation) throws {
        // Each sub-block holds 0 ... 31: scale 1, minimum 0. d = half(1 / 63) = 0x2410, all s = 63.
        let x = (0..<256).map { Float($0 % 32) }
        let fifths = (0..<32).map { UInt8($0 < 16 ? 0 : 0xFF) }
        let codes = (0..<128).map { UInt8($0 % 16) * 0x11 }
        let bytes = try implementation.encode(Q5_K(), x, columns: 256)
        #expect(hex(bytes) == "10 24 00 00 FF FF FF FF 00 00 00 00 0F 0F 0F 0F " + hex(fifths + codes))
        // d = 1, dmin = 0, s[0] = s[1] = 1; code 21 for element 0 alone of its byte: fifth bit 0 of byte 0.
        var block = [UInt8](repeating: 0, count: 176)
        (block[1], block[4], block[5], block[16], block[48]) = (0x3C, 1, 1, 0x01, 0x75)
        let decoded = implementation.decode(Q5_K(), block, columns: 256)
        #expect(decoded[0] == 21)
        #expect(decoded[32] == 7)
        #expect(decoded.filter { $0 != 0 }.count == 2)
    }

    @Test("Q6_K", arguments: Implementation.all)
    func q6_k(implementation: Implementation) throws {
        // Each sub-block holds -32, -28 ... 28: scale 1 without error. d = half(1 / -128) = 0xA000, all s = -128.
        let x = (0..<256).map { Float(4 * ($0 % 16) - 32) }
        let nibbles = (0..<128).map { UInt8(4 * ($0 % 4)) * 0x11 }
        let upper = (0..<64).map { UInt8($0 % 16 / 4) * 0x55 }
        let scales = [UInt8](repeating: 0x80, count: 16)
        try check(Q6_K(), x, hex(nibbles + upper + scales + [0, 0xA0]), implementation)
    }

    @Test("IQ4_XS", arguments: Implementation.all)
    func iq4_xs(implementation: Implementation) throws {
        // d = 1; s = 32 for even sub-blocks and 33 for odd ones; codes 0 and 15.
        let block = [0, 0x3C, 0xAA, 0xAA, 0x10, 0x10, 0x10, 0x10] + [UInt8](repeating: 0xF0, count: 128)
        let values = (0..<256).map { index -> Float in
            index / 32 % 2 == 0 ? 0 : index % 32 < 16 ? -127 : 113
        }
        #expect(implementation.decode(IQ4_XS(), block, columns: 256) == values)
    }

    @Test("F16 rounds ties to even and keeps subnormals", arguments: Implementation.all)
    func f16(implementation: Implementation) throws {
        // 2049 and 2051 lie between even and odd multiples of 2; 2^-25 is half of the smallest subnormal.
        let x: [Float] = [1, -2, 65504, 65519, 0x1p-24, 0x1p-25, 0x1.8p-25, -0x1p-26, 2049, 2051, -0.0]
        let bytes = try implementation.encode(F16(), x, columns: 11)
        #expect(
            hex(bytes) == "00 3C 00 C0 FF 7B FF 7B 01 00 00 00 01 00 00 80 00 68 02 68 00 80")
    }

    @Test("BF16 rounds ties to even and keeps subnormals", arguments: Implementation.all)
    func bf16(implementation: Implementation) throws {
        // 1 + 2^-8 and 1 + 3 · 2^-8 are ties of steps of 2^-7; 2^-134 is half of the smallest subnormal.
        let x: [Float] = [1, 1 + 0x1p-8, 1 + 0x3p-8, -0x1p-133, 0x1p-134, 0x1.8p-134, -0.0]
        let bytes = try implementation.encode(BF16(), x, columns: 7)
        #expect(hex(bytes) == "80 3F 80 3F 82 3F 01 80 00 00 01 00 00 80")
    }

    @Test("F32 stores every bit", arguments: Implementation.all)
    func f32(implementation: Implementation) throws {
        let x: [Float] = [1, -0.0, .leastNonzeroMagnitude, -.greatestFiniteMagnitude]
        try check(F32(), x, "00 00 80 3F 00 00 00 80 01 00 00 00 FF FF 7F FF", implementation)
    }

    @Test("a block of zeros", arguments: GGMLType.encodable.filter(\.isQuantized), Implementation.all)
    func zeros(type: GGMLType, implementation: Implementation) throws {
        let codec = try type.testCodec
        let zeros = [UInt8](repeating: 0, count: type.blockBytes)
        let plain: [GGMLType: [UInt8]] = [
            .q4_0: [0x00, 0x80] + [UInt8](repeating: 0x88, count: 16),
            .q5_0: [0x00, 0x80, 0xFF, 0xFF, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 16),
            .q2_0: [0x00, 0x00] + [UInt8](repeating: 0x55, count: 16),
            .iq4_nl: [0x00, 0x00] + [UInt8](repeating: 0x88, count: 16),
            .iq4_xs: [0x00, 0x80, 0xAA, 0xAA, 0, 0, 0, 0] + [UInt8](repeating: 0x88, count: 128),
        ]
        let x = [Float](repeating: 0, count: type.blockSize)
        let encoded = try implementation.encode(codec, x, columns: type.blockSize)
        #expect(hex(encoded) == hex(plain[type] ?? zeros))
        #expect(implementation.decode(codec, encoded, columns: type.blockSize).allSatisfy { $0 == 0 })
        let weighted = try implementation.encode(
            codec, x, columns: type.blockSize, importance: [Float](repeating: 1, count: type.blockSize))
        #expect(
            hex(weighted) == hex([.q2_0, .iq4_nl, .iq4_xs].contains(type) ? plain[type] ?? zeros : zeros))
    }

    @Test("importance moves the error to the columns that matter less", arguments: Implementation.all)
    func importance(implementation: Implementation) throws {
        for type in GGMLType.encodable {
            let codec = try type.testCodec
            let x = (0..<256).map { Float($0 * 7919 % 257) / 100 - 1.2 }
            let importance = (0..<256).map { Float($0 % 2 == 0 ? 100 : 0.01) }
            func error(_ weights: [Float]?) throws -> Float {
                let bytes = try implementation.encode(codec, x, columns: 256, importance: weights)
                let decoded = implementation.decode(codec, bytes, columns: 256)
                return stride(from: 0, to: 256, by: 2).reduce(0) {
                    $0 + (x[$1] - decoded[$1]) * (x[$1] - decoded[$1])
                }
            }
            if codec.usesImportance {
                #expect(try error(importance) < error(nil), "\(type)")
            } else {
                #expect(try error(importance) == error(nil), "\(type)")
            }
        }
    }

    /// Encodes and decodes a block without error.
    private func check(
        _ codec: any Codec, _ x: [Float], _ expected: String, _ implementation: Implementation
    ) throws {
        let bytes = try implementation.encode(codec, x, columns: x.count)
        #expect(hex(bytes) == expected)
        #expect(patterns(implementation.decode(codec, bytes, columns: x.count)) == patterns(x))
    }
}
