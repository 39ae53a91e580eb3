import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Symmetric int4")
struct Int4Tests {
    @Test("a row with one scale", arguments: Implementation.all)
    func perChannel(implementation: Implementation) throws {
        // max 3.5, scale 0.5 = 0x3F00. 0.25 and 0.75 are ties: codes 0 and 2. -1.25 -> -2.5 -> -2.
        let x: [Float] = [3.5, -3.5, 0.25, 0.75, -1.25]
        let codec = Int4(group: nil)
        #expect(codec.byteCount(columns: 5) == 5)
        let bytes = try implementation.encode(codec, x, columns: 5)
        // Nibbles 7, -7 = 9; 0, 2; -2 = E, none.
        #expect(hex(bytes) == "00 3F 97 20 0E")
        #expect(implementation.decode(codec, bytes, columns: 5) == [3.5, -3.5, 0, 1, -1])
    }

    @Test("groups have their own scales", arguments: Implementation.all)
    func groups(implementation: Implementation) throws {
        // Scales 1 = 0x3F80 and 2 = 0x4000 in front of the codes of both groups.
        let x: [Float] = [7, -1, 0, 3, 14, -14, 2, 1]
        let codec = Int4(group: 4)
        #expect(codec.byteCount(columns: 8) == 8)
        #expect(codec.byteCount(columns: 6) == nil)
        let bytes = try implementation.encode(codec, x, columns: 8)
        // 7, -1 = F; 0, 3; 7, -7 = 9; 1, 0.5 -> 0.
        #expect(hex(bytes) == "80 3F 00 40 F7 30 97 01")
        #expect(implementation.decode(codec, bytes, columns: 8) == [7, -1, 0, 3, 14, -14, 2, 0])
        let twice = try implementation.encode(codec, x + x.map { -$0 }, columns: 8)
        #expect(twice.count == 16)
        #expect(Array(twice[..<8]) == bytes)
        #expect(hex(twice[8...]) == "80 3F 00 40 19 D0 79 0F")
    }

    @Test("the scale is rounded to BF16 before codes are chosen", arguments: Implementation.all)
    func scale(implementation: Implementation) throws {
        // 1 / 7 = 0.142857… -> BF16 0.142578125 = 0x3E12; 1 / 0.142578125 = 7.01 -> 7.
        let bytes = try implementation.encode(Int4(group: nil), [1, -1], columns: 2)
        #expect(hex(bytes) == "12 3E 97")
    }

    @Test("zeros and values below every scale", arguments: Implementation.all)
    func zeros(implementation: Implementation) throws {
        let tiny = Float.leastNonzeroMagnitude
        for x in [[0, -0.0, 0, 0], [tiny, -tiny, 0, tiny]] as [[Float]] {
            let bytes = try implementation.encode(Int4(group: nil), x, columns: 4)
            #expect(hex(bytes) == "00 00 00 00")
        }
        // A subnormal scale, 2^-133 = 0x0001, is kept.
        let x: [Float] = [7 * 0x1p-133, -0x1p-133]
        let bytes = try implementation.encode(Int4(group: nil), x, columns: 2)
        #expect(hex(bytes) == "01 00 F7")
        #expect(implementation.decode(Int4(group: nil), bytes, columns: 2) == x)
    }

    @Test("every byte decodes", arguments: Implementation.all)
    func everyByte(implementation: Implementation) {
        let codec = Int4(group: nil)
        let bytes = [0x80, 0x3F] + (0...UInt8.max)
        let decoded = implementation.decode(codec, bytes, columns: 512)
        let expected = (0..<512).map { index -> Float in
            let nibble = index % 2 == 0 ? index / 2 % 16 : index / 2 / 16
            return Float(nibble < 8 ? nibble : nibble - 16)
        }
        #expect(decoded == expected)
    }

    @Test("kernels agree with the reference", arguments: KernelLevel.available)
    func agreement(level: KernelLevel) throws {
        var compared = 0
        for (columns, groups) in [
            (1, [nil, 1]), (2, [nil, 2]), (7, [nil]), (32, [nil, 32, 16, 1]), (33, [nil, 11, 3]),
            (96, [nil, 32]),
            (256, [nil, 128, 64]), (257, [nil]),
        ] as [(Int, [Int?])] {
            let rows = Rows.all(columns: columns, seed: 5).flatMap(\.self)
            for group in groups {
                let codec = Int4(group: group)
                let expected = try Implementation.reference.encode(codec, rows, columns: columns)
                let found = try Implementation.kernel(level).encode(codec, rows, columns: columns)
                let difference = firstDifference(found, expected)
                #expect(difference == nil, "\(codec.name), \(columns) columns, byte \(difference ?? -1)")
                let count = rows.count / columns
                let values = Implementation.kernel(level).decode(
                    codec, expected, columns: columns, rows: count)
                let reference = Implementation.reference.decode(
                    codec, expected, columns: columns, rows: count)
                #expect(patterns(values) == patterns(reference))
                compared += 1
            }
        }
        #expect(compared == 18)
    }

    @Test("names")
    func names() {
        #expect(Int4(group: nil).name == "INT4")
        #expect(Int4(group: 32).name == "INT4_32")
        #expect(Int4(group: nil).byteCount(columns: 0) == 0)
        #expect(Int4(group: nil).byteCount(columns: -1) == nil)
        #expect(Int4(group: 1).byteCount(columns: .max) == nil)
    }
}
