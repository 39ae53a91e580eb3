import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Values that cannot be encoded")
struct CodecErrorTests {
    @Test(
        "NaN and infinities are found at every position", arguments: GGMLType.encodable, KernelLevel.available
    )
    func nonFinite(type: GGMLType, level: KernelLevel) throws {
        try checkNonFinite(type.testCodec, level)
    }

    @Test("NaN and infinities are found in Int4 and SFP8", arguments: KernelLevel.available)
    func nonFiniteElsewhere(level: KernelLevel) throws {
        try checkNonFinite(Int4(group: nil), level)
        try checkNonFinite(Int4(group: 32), level)
        try checkNonFinite(SFP8(), level)
    }

    private func checkNonFinite(_ codec: any Codec, _ level: KernelLevel) throws {
        let rows = (0..<512).map { Float($0 % 7) / 4 - 0.75 }
        for index in rows.indices {
            for value in [Float.nan, .infinity, -.infinity, -.nan, .signalingNaN] {
                var damaged = rows
                damaged[index] = value
                // A second one behind it must not win.
                if index + 9 < damaged.count { damaged[index + 9] = .infinity }
                do throws(CodecError) {
                    _ = try Implementation.kernel(level).encode(codec, damaged, columns: 256)
                    Issue.record("\(codec.name) encodes \(value) at \(index)")
                    return
                } catch {
                    guard case .nonFiniteValue(let found, let bad) = error else {
                        Issue.record("\(error) for \(value) at \(index)")
                        return
                    }
                    guard found == index, bad.bitPattern == value.bitPattern else {
                        Issue.record("found \(bad) at \(found) instead of \(value) at \(index)")
                        return
                    }
                }
            }
        }
        // The largest finite values are not taken for infinities.
        if codec.name == "F32" || codec.name.hasPrefix("INT4") {
            let largest = [Float](repeating: .greatestFiniteMagnitude, count: 256)
            _ = try Implementation.kernel(level).encode(codec, largest, columns: 256)
        }
    }

    /// A block whose scale just fits half, and one that rounds to infinity.
    struct Boundary: Sendable, CustomTestStringConvertible {
        var type: GGMLType
        var fits: [Float]
        var overflows: [Float]
        var testDescription: String { type.description }
    }

    // 65504 is the largest half; 65520, the middle of the next step, rounds to infinity.
    private static let boundaries = [
        Boundary(type: .q4_0, fits: [-8 * 65519], overflows: [-8 * 65520]),
        Boundary(type: .q5_0, fits: [16 * 65519], overflows: [16 * 65520]),
        Boundary(type: .q8_0, fits: [127 * 65519], overflows: [-127 * 65520]),
        Boundary(type: .q4_1, fits: [-65519, 15 * 65519 - 65519], overflows: [-60000, 15 * 65520 - 60000]),
        Boundary(type: .q4_1, fits: [-65519], overflows: [-65520]),
        Boundary(type: .q5_1, fits: [-65519, 31 * 65519 - 65519], overflows: [-60000, 31 * 65520 - 60000]),
        Boundary(type: .q5_1, fits: [-65519], overflows: [-65520]),
        Boundary(type: .iq4_nl, fits: [60000 * 100], overflows: [65520 * 128]),
        Boundary(type: .q2_0, fits: [-65519], overflows: [65520]),
        Boundary(type: .q2_k, fits: [-15 * 60000], overflows: [-15 * 65600]),
        Boundary(type: .q2_k, fits: [15 * 3 * 60000], overflows: [15 * 3 * 65600]),
        Boundary(type: .q3_k, fits: [32 * 4 * 60000], overflows: [-32 * 4 * 65600]),
        Boundary(type: .iq4_xs, fits: [32 * 60000 * 100], overflows: [32 * 65520 * 128]),
        Boundary(type: .q4_k, fits: [-63 * 60000], overflows: [-63 * 65600]),
        Boundary(type: .q4_k, fits: [63 * 15 * 60000], overflows: [63 * 15 * 65600]),
        Boundary(type: .q5_k, fits: [-63 * 60000], overflows: [-63 * 65600]),
        Boundary(type: .q5_k, fits: [63 * 31 * 60000], overflows: [63 * 31 * 65600]),
        Boundary(type: .q6_k, fits: [128 * 32 * 60000], overflows: [128 * 32 * 65600]),
        Boundary(type: .f16, fits: [65519], overflows: [65520]),
        Boundary(type: .bf16, fits: [0x1.FEFFFEp127], overflows: [0x1.FFp127]),
    ]

    @Test("a scale beyond its storage names the block", arguments: boundaries, KernelLevel.available)
    func overflow(boundary: Boundary, level: KernelLevel) throws {
        let codec = try boundary.type.testCodec
        let blocks = max(3, 96 / codec.blockSize)
        for block in [0, 1, blocks - 1] {
            func rows(_ values: [Float]) -> [Float] {
                var rows = [Float](repeating: 0.5, count: blocks * codec.blockSize)
                // The same value throughout the block for plain types and searches.
                let start = block * codec.blockSize
                for index in 0..<codec.blockSize { rows[start + index] = values[index % values.count] }
                return rows
            }
            let columns = blocks * codec.blockSize
            #expect(throws: CodecError.scaleOverflow(block: block)) {
                try Implementation.kernel(level).encode(codec, rows(boundary.overflows), columns: columns)
            }
            let bytes = try Implementation.kernel(level).encode(codec, rows(boundary.fits), columns: columns)
            #expect(boundary.type.firstInvalidBlock(in: bytes.span.bytes) == nil)
            let decoded = Implementation.kernel(level).decode(codec, bytes, columns: columns)
            #expect(decoded.allSatisfy { $0.isFinite })
        }
    }

    @Test("stored scales and values are checked at every block", arguments: GGMLType.readable)
    func firstInvalidBlock(type: GGMLType) throws {
        // F32 has its exponent in the last two bytes.
        let halves = type == .f32 ? [2] : type.scaleOffsets
        let infinity: [[UInt8]] =
            switch type {
            case .f32, .bf16: [[0x80, 0x7F], [0x80, 0xFF], [0xC0, 0x7F]]
            default: [[0x00, 0x7C], [0x00, 0xFC], [0x01, 0x7C]]
            }
        let blocks = 70
        let good = [UInt8](repeating: 0x11, count: blocks * type.blockBytes)
        #expect(type.firstInvalidBlock(in: good.span.bytes) == nil)
        for block in 0..<blocks {
            for offset in halves {
                for bytes in infinity {
                    var bad = good
                    let start = block * type.blockBytes + offset
                    bad.replaceSubrange(start..<start + 2, with: bytes)
                    #expect(type.firstInvalidBlock(in: bad.span.bytes) == block, "\(hex(bytes)) at \(offset)")
                }
            }
        }
        let empty: [UInt8] = []
        #expect(type.firstInvalidBlock(in: empty.span.bytes) == nil)
    }

    @Test("scales that are no halves are checked, too")
    func otherScales() {
        for block in 0..<5 {
            var bytes = [UInt8](repeating: 0x11, count: 5 * GGMLType.iq1_m.blockBytes)
            GGMLType.iq1_m.setScales(&bytes, block: block) { -.infinity }
            #expect(GGMLType.iq1_m.firstInvalidBlock(in: bytes.span.bytes) == block)
            bytes = [UInt8](repeating: 0xFE, count: 5 * GGMLType.mxfp4.blockBytes)
            #expect(GGMLType.mxfp4.firstInvalidBlock(in: bytes.span.bytes) == nil)
            bytes[block * GGMLType.mxfp4.blockBytes] = 0xFF
            #expect(GGMLType.mxfp4.firstInvalidBlock(in: bytes.span.bytes) == block)
        }
        let any = [UInt8](repeating: 0xFF, count: GGMLType.nvfp4.blockBytes)
        #expect(GGMLType.nvfp4.firstInvalidBlock(in: any.span.bytes) == nil)
    }
}
