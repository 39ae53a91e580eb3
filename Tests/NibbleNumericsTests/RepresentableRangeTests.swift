import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Ranges of blocks")
struct RepresentableRangeTests {
    /// What a block's bytes are apart from its codes.
    private static func codeBytes(_ type: GGMLType) -> Range<Int> {
        switch type {
        case .q4_1: 4..<20
        case .q5_1: 4..<24
        case .q2_k: 16..<80
        case .q3_k: 0..<96
        case .q4_k: 16..<144
        case .q5_k: 16..<176
        case .q6_k: 0..<192
        case .iq4_xs: 8..<136
        default: 2..<type.blockBytes
        }
    }

    private static let formats = GGMLType.encodable.filter(\.isQuantized)

    /// The two smallest and the two largest values that random codes decode to, for each element.
    private static func extremes(_ block: [UInt8], _ type: GGMLType, columns: Int) throws -> [[Float]] {
        let codec = try type.testCodec
        var random = SeededGenerator(seed: 1)
        var ends = [[Float]](
            repeating: [.infinity, .infinity, -.infinity, -.infinity], count: columns)
        // Each code has a chance of 1 in 255 at least: one that never comes is unthinkable.
        for _ in 0..<6000 {
            var bytes = block
            for start in stride(from: 0, to: bytes.count, by: type.blockBytes) {
                for offset in codeBytes(type) {
                    let byte = UInt8(truncatingIfNeeded: random.next() >> 20)
                    bytes[start + offset] = type == .q8_0 && byte == 0x80 ? 0x81 : byte
                }
            }
            for (index, value) in Implementation.kernel(.best).decode(codec, bytes, columns: columns)
                .enumerated()
            {
                if value < ends[index][0] {
                    (ends[index][0], ends[index][1]) = (value, ends[index][0])
                } else if value > ends[index][0], value < ends[index][1] {
                    ends[index][1] = value
                }
                if value > ends[index][3] {
                    (ends[index][3], ends[index][2]) = (value, ends[index][3])
                } else if value < ends[index][3], value > ends[index][2] {
                    ends[index][2] = value
                }
            }
        }
        return ends
    }

    @Test("end half a step beyond what any code decodes to, in every format", arguments: formats)
    func ends(type: GGMLType) throws {
        let codec = try type.testCodec
        let range = try #require(RepresentableRange(type))
        var random = SeededGenerator(seed: 8)
        let columns = 512
        let row = random.normal(columns, scale: 0.05)
        let block = try Implementation.reference.encode(codec, row, columns: columns)
        let ends = try Self.extremes(block, type, columns: columns)
        // The row itself, and others that the same blocks would clip.
        var clipped = 0
        for scale: Float in [1, 1.02, 1.1, 3, 6, -1, -1.5] {
            let values = row.map { $0 * scale }
            let kept = range.kept(values, block, columns: columns)
            for index in 0..<columns {
                let end = ends[index]
                let (low, high) = (end[0] - (end[1] - end[0]) / 2, end[3] + (end[3] - end[2]) / 2)
                let margin = 1e-4 * (end[3] - end[0])
                if abs(values[index] - low) < margin || abs(values[index] - high) < margin { continue }
                let isClipped = values[index] < low || values[index] > high
                #expect(kept[index] == !isClipped, "\(index): \(values[index]) in \(end)")
                clipped += isClipped ? 1 : 0
            }
        }
        #expect(clipped > 100)
    }

    @Test("leave values out in the formats whose scales do not span them all", arguments: formats)
    func clipping(type: GGMLType) throws {
        let codec = try type.testCodec
        let range = try #require(RepresentableRange(type))
        var random = SeededGenerator(seed: 21)
        let row = random.normal(256 * 200, scale: 0.05)
        let bytes = try Implementation.kernel(.best).encode(codec, row, columns: row.count)
        let clipped = range.kept(row, bytes, columns: row.count).count { !$0 }
        switch type {
        case .q4_1, .q5_1, .q8_0, .q2_0: #expect(clipped == 0)
        default: #expect(clipped > 0 && clipped < row.count / 50, "\(clipped)")
        }
    }

    @Test("of Q4_0 end where code 16 would be needed", arguments: [Float(1), -1])
    func q4_0(sign: Float) throws {
        let range = try #require(RepresentableRange(.q4_0))
        var row = [Float](repeating: 0, count: 32)
        // d = 1 for the first, of either sign.
        (row[0], row[5], row[6], row[7]) = (-8 * sign, 7.49 * sign, 7.51 * sign, 8 * sign)
        let bytes = try Implementation.reference.encode(Q4_0(), row, columns: 32)
        let kept = range.kept(row, bytes, columns: 32)
        #expect(kept.indices.filter { !kept[$0] } == [6, 7])
    }

    @Test("of zero width clip nothing", arguments: formats)
    func zero(type: GGMLType) throws {
        let codec = try type.testCodec
        let range = try #require(RepresentableRange(type))
        let zeros = [Float](repeating: 0, count: 256)
        let bytes = try Implementation.reference.encode(codec, zeros, columns: 256)
        let kept = range.kept((0..<256).map { Float($0) - 128 }, bytes, columns: 256)
        #expect(kept.allSatisfy { $0 })
        #expect(range.kept([], [], columns: 0).isEmpty)
    }

    @Test("exist for every format that has codes and is written")
    func existence() {
        #expect(GGMLType.allCases.filter { RepresentableRange($0) != nil } == Self.formats)
    }
}

extension RepresentableRange {
    /// Which gradients stay.
    fileprivate func kept(_ values: [Float], _ bytes: [UInt8], columns: Int) -> [Bool] {
        var gradient = [Float](repeating: 1, count: values.count)
        var span = gradient.mutableSpan
        mask(&span, of: values.span, blocks: bytes.span.bytes, columns: columns)
        return gradient.map { $0 == 1 }
    }
}
