import Foundation
import NibbleNumerics
import NibbleTestSupport
import Testing

/// The kernels give the bits of the reference at every level.
@Suite("Kernels agree with the reference")
struct AgreementTests {
    /// `NIBBLE_TEST_SEEDS` raises the number of sets of rows for a longer search.
    private static let seeds =
        ProcessInfo.processInfo.environment["NIBBLE_TEST_SEEDS"].flatMap(UInt64.init) ?? 2
    private static let widths = [32, 96, 256, 768]

    @Test("encoding, without and with importance", arguments: GGMLType.encodable, KernelLevel.available)
    func encoding(type: GGMLType, level: KernelLevel) throws {
        let codec = try type.testCodec
        var (compared, overflows) = (0, 0)
        for columns in Self.widths where columns.isMultiple(of: codec.blockSize) {
            let rows = (0..<Self.seeds).flatMap {
                Rows.all(columns: columns, seed: UInt64(columns) + 1000 * $0)
            }
            let choices = [nil] + Rows.importance(columns: columns, seed: 9).map(Optional.some)
            for (choice, importance) in choices.enumerated() {
                for (index, row) in rows.enumerated() {
                    let expected = try Implementation.reference.encode(
                        codec, row, columns: columns, importance: importance)
                    let found: [UInt8]
                    do throws(CodecError) {
                        found = try Implementation.kernel(level).encode(
                            codec, row, columns: columns, importance: importance)
                    } catch {
                        // Few weights and one outlier can ask for more than a half: the reference says so too.
                        let invalid = type.firstInvalidBlock(in: expected.span.bytes)
                        #expect(error == .scaleOverflow(block: invalid ?? -1))
                        overflows += 1
                        continue
                    }
                    #expect(type.firstInvalidBlock(in: expected.span.bytes) == nil)
                    compared += 1
                    guard let difference = firstDifference(found, expected) else { continue }
                    let block = difference / type.blockBytes
                    let values = row[block * type.blockSize..<(block + 1) * type.blockSize]
                    let range = block * type.blockBytes..<(block + 1) * type.blockBytes
                    Issue.record(
                        """
                        row \(index) of \(columns) columns, importance \(choice), byte \(difference), block \(block): \
                        \(hex(found[range])) instead of \(hex(expected[range])) for \(Array(values))
                        """)
                    return
                }
            }
        }
        #expect(compared > 500)
        #expect(overflows < compared / 100)
    }

    @Test("encoding several rows in one call", arguments: GGMLType.encodable, KernelLevel.available)
    func rows(type: GGMLType, level: KernelLevel) throws {
        let codec = try type.testCodec
        var random = SeededGenerator(seed: 77)
        for rowCount in [0, 1, 2, 3, 7] {
            for columns in [256, 512] {
                let rows = random.normal(rowCount * columns, scale: 0.1)
                for importance in [nil, (0..<columns).map { _ in random.uniform() }] {
                    let expected = try Implementation.reference.encode(
                        codec, rows, columns: columns, importance: importance)
                    let found = try Implementation.kernel(level).encode(
                        codec, rows, columns: columns, importance: importance)
                    #expect(found.count == rowCount * (codec.byteCount(columns: columns) ?? -1))
                    #expect(firstDifference(found, expected) == nil)
                }
            }
        }
    }

    @Test("plain types of odd lengths", arguments: [GGMLType.f32, .f16, .bf16], KernelLevel.available)
    func oddLengths(type: GGMLType, level: KernelLevel) throws {
        let codec = try type.testCodec
        var random = SeededGenerator(seed: 78)
        for columns in 0...70 {
            let row = random.normal(columns)
            let expected = try Implementation.reference.encode(codec, row, columns: columns)
            let found = try Implementation.kernel(level).encode(codec, row, columns: columns)
            #expect(found == expected)
            let decoded = Implementation.kernel(level).decode(codec, expected, columns: columns)
            #expect(
                patterns(decoded)
                    == patterns(Implementation.reference.decode(codec, expected, columns: columns)))
        }
    }

    @Test("decoding of random bytes", arguments: GGMLType.readable, KernelLevel.available)
    func decoding(type: GGMLType, level: KernelLevel) throws {
        let codec = try type.testCodec
        var random = SeededGenerator(seed: UInt64(type.rawValue) + 1000)
        for blocks in [1, 2, 3, 7, 64, 500] {
            let bytes = random.bytes(blocks * type.blockBytes)
            let columns = blocks * type.blockSize
            let expected = Implementation.reference.decode(codec, bytes, columns: columns)
            let found = Implementation.kernel(level).decode(codec, bytes, columns: columns)
            let difference = firstDifference(patterns(found), patterns(expected))
            #expect(
                difference == nil,
                "element \(difference ?? -1) of \(columns): \(found[difference ?? 0]), not \(expected[difference ?? 0])"
            )
        }
    }

    @Test("every half and every BF16 decodes alike", arguments: [GGMLType.f16, .bf16], KernelLevel.available)
    func everyPattern(type: GGMLType, level: KernelLevel) throws {
        let codec = try type.testCodec
        let bytes = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        let expected = Implementation.reference.decode(codec, bytes, columns: 65536)
        let found = Implementation.kernel(level).decode(codec, bytes, columns: 65536)
        #expect(patterns(found) == patterns(expected))
        #expect(expected[0x3F80] == (type == .bf16 ? 1 : 1.875))
    }
}
