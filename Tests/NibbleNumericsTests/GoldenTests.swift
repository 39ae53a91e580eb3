import NibbleNumerics
import NibbleTestSupport
import Testing

/// Against blocks that ggml's own quantizers made; see `Tests/Fixtures/codecs/make_codec_fixtures.py`.
@Suite("Golden blocks of ggml")
struct GoldenTests {
    private static let widths = [32, 256, 512]

    @Test(
        "encoding gives ggml's bytes", arguments: GGMLType.encodable.filter { $0 != .f32 }, Implementation.all
    )
    func encoding(type: GGMLType, implementation: Implementation) throws {
        let codec = try type.testCodec
        var expected = try file("\(type.description.lowercased()).encoded")[...]
        var compared = 0
        for columns in type.isQuantized ? Self.widths : [256] where columns.isMultiple(of: codec.blockSize) {
            let rows = try floats("rows-\(columns).f32")
            let importance = try floats("importance-\(columns).f32")
            #expect(rows.count >= 5 * columns)
            let rowBytes = try #require(codec.byteCount(columns: columns))
            for weights in type.isQuantized ? [nil, importance] : [nil] {
                let encoded = try implementation.encode(codec, rows, columns: columns, importance: weights)
                for row in 0..<rows.count / columns {
                    let found = Array(encoded[row * rowBytes..<(row + 1) * rowBytes])
                    let golden = Array(expected.prefix(rowBytes))
                    expected = expected.dropFirst(rowBytes)
                    compared += 1
                    let difference = firstDifference(found, golden)
                    #expect(
                        difference == nil,
                        """
                        row \(row) of \(columns) columns, \(weights == nil ? "plain" : "importance"), byte \
                        \(difference ?? -1): \(hex(found)) instead of \(hex(golden))
                        """)
                }
            }
        }
        #expect(expected.isEmpty)
        #expect(compared >= 27)
    }

    @Test("rows encode alike one by one and together", arguments: GGMLType.encodable)
    func rowByRow(type: GGMLType) throws {
        let codec = try type.testCodec
        let rows = try floats("rows-256.f32")
        let importance = try floats("importance-256.f32")
        for weights in [nil, importance] {
            for implementation in Implementation.all {
                let together = try implementation.encode(codec, rows, columns: 256, importance: weights)
                var single: [UInt8] = []
                for start in stride(from: 0, to: rows.count, by: 256) {
                    single += try implementation.encode(
                        codec, Array(rows[start..<start + 256]), columns: 256, importance: weights)
                }
                #expect(!together.isEmpty)
                #expect(together == single)
            }
        }
    }

    @Test("decoding gives ggml's numbers", arguments: GGMLType.readable, Implementation.all)
    func decoding(type: GGMLType, implementation: Implementation) throws {
        let codec = try type.testCodec
        let data = try file("\(type.description.lowercased()).decoded")
        let count = type.blockSize > 1 ? 16 : 256
        let size = count * type.blockBytes
        let golden = floats(data[size...])
        #expect(golden.count == count * type.blockSize)
        let decoded = implementation.decode(
            codec, Array(data[..<size]), columns: type.blockSize, rows: count)
        let difference = firstDifference(patterns(decoded), patterns(golden))
        #expect(difference == nil, "element \(difference ?? -1)")
        let oneRow = implementation.decode(codec, Array(data[..<size]), columns: count * type.blockSize)
        #expect(patterns(oneRow) == patterns(decoded))
    }

    private func file(_ name: String) throws -> [UInt8] { try contents(Fixtures.path("codecs/\(name)")) }

    private func floats(_ name: String) throws -> [Float] { floats(try file(name)[...]) }

    private func floats(_ bytes: ArraySlice<UInt8>) -> [Float] {
        bytes.withUnsafeBytes { buffer in
            stride(from: 0, to: buffer.count, by: 4).map {
                Float(
                    bitPattern: UInt32(
                        littleEndian: buffer.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
            }
        }
    }
}
