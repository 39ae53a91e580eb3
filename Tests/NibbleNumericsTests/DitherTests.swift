import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Dither")
struct DitherTests {
    @Test("every weight lies where its code is the nearest", arguments: GGMLType.readable.filter(\.hasCells))
    func cells(type: GGMLType) throws {
        let codec = try type.testCodec
        for seed in 0..<12 {
            let blocks = blocks(type, count: 4, seed: UInt64(seed))
            let columns = 4 * type.blockSize
            let decoded = Implementation.reference.decode(codec, blocks, columns: columns)
            let grids = grids(type, blocks).map {
                Implementation.reference.decode(codec, $0, columns: columns)
            }
            #expect(grids.count >= 2)
            let weights = dithered(blocks, type, seed: UInt64(seed))
            var moved = 0
            for index in weights.indices {
                let distance = abs(weights[index] - decoded[index])
                let nearest = grids.map { abs(weights[index] - $0[index]) }.min() ?? 0
                // Bounds are rounded to Float; offsets (m) may be much larger than steps.
                let slack = 4 * max(weights[index].ulp, decoded[index].ulp)
                guard distance <= nearest + slack else {
                    Issue.record("element \(index): \(weights[index]) is not nearest to \(decoded[index])")
                    return
                }
                if weights[index] != decoded[index] { moved += 1 }
            }
            // All but those of scale 0 move.
            #expect(moved > columns / 2)
        }
    }

    @Test("weights fill their cells evenly")
    func distribution() throws {
        // Q8_0 with d = 1 and code 5 everywhere: cells 4.5 ... 5.5.
        let count = 64 * 1024
        let block: [UInt8] = [0, 0x3C] + [UInt8](repeating: 5, count: 32)
        let weights = dithered((0..<count / 32).flatMap { _ in block }, .q8_0, seed: 3)
        #expect(weights.allSatisfy { $0 >= 4.5 && $0 <= 5.5 })
        let mean = weights.reduce(0.0) { $0 + Double($1) } / Double(count)
        let variance = weights.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
        // Five standard errors: 0.2887 / 256 and about 1 / 12 · √0.8 / 256.
        #expect(abs(mean - 5) < 5 * 0.2887 / 256)
        #expect(abs(variance - 1 / 12) < 5 * 0.0746 / 256)
        var bins = [Int](repeating: 0, count: 16)
        for weight in weights { bins[min(15, Int((weight - 4.5) * 16))] += 1 }
        #expect(bins.allSatisfy { abs($0 - count / 16) < 330 })
        // Neighbours are independent.
        let products = zip(weights, weights.dropFirst()).reduce(0.0) {
            $0 + (Double($1.0) - mean) * (Double($1.1) - mean)
        }
        #expect(abs(products / Double(count)) < 5 / 12 / 256)
    }

    @Test("the generator is the documented one")
    func generator() {
        func mix(_ value: UInt64) -> UInt64 {
            var z = value
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15
        // SplitMix64 of seed 0 begins with this number.
        #expect(mix(gamma) == 0xE220_A839_7B1D_CDAF)
        let block: [UInt8] = [0, 0x3C] + [UInt8](repeating: 0, count: 32)
        let (seed, stream, first): (UInt64, UInt64, UInt64) = (
            42, Dither.stream(of: "blk.0.attn_q.weight"), 1 << 40
        )
        let weights = dithered(block, .q8_0, seed: seed, first: first, stream: stream)
        let key = mix(mix(seed &+ gamma) ^ stream)
        for index in 0..<32 {
            let k = mix(key &+ gamma &* (first + UInt64(index) + 1)) >> 41
            #expect(Double(weights[index]) == (Double(k) + 0.5) / 0x1p23 - 0.5)
        }
    }

    @Test("streams are FNV-1a hashes")
    func streams() {
        #expect(Dither.stream(of: "") == 0xCBF2_9CE4_8422_2325)
        #expect(Dither.stream(of: "a") == 0xAF63_DC4C_8601_EC8C)
        #expect(Dither.stream(of: "foobar") == 0x8594_4171_F739_67E8)
    }

    @Test("pieces give the weights of the whole", arguments: GGMLType.readable.filter(\.hasCells))
    func pieces(type: GGMLType) {
        let count = type.blockSize == 32 ? 300 : 40
        let blocks = blocks(type, count: count, seed: 4)
        let whole = dithered(blocks, type, seed: 5)
        for size in [1, 2, 3, 7, 64, count - 1] {
            var joined: [Float] = []
            for start in stride(from: 0, to: count, by: size) {
                let range = start * type.blockBytes..<min(start + size, count) * type.blockBytes
                joined += dithered(
                    Array(blocks[range]), type, seed: 5, first: UInt64(start * type.blockSize))
            }
            #expect(patterns(joined) == patterns(whole))
        }
    }

    @Test("seeds, tensors and elements have their own weights")
    func independence() {
        let blocks = blocks(.q4_k, count: 2, seed: 6)
        let weights = dithered(blocks, .q4_k, seed: 7)
        func share(_ other: [Float]) -> Int { zip(weights, other).count { $0 == $1 } }
        #expect(share(dithered(blocks, .q4_k, seed: 7)) == 512)
        #expect(share(dithered(blocks, .q4_k, seed: 8)) < 100)
        #expect(share(dithered(blocks, .q4_k, seed: 7, stream: Dither.stream(of: "other"))) < 100)
        #expect(share(dithered(blocks, .q4_k, seed: 7, first: 256)) < 100)
    }

    @Test("codes of groups have no cells, nor have plain numbers")
    func withoutCells() {
        let groups: [GGMLType] = [.iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s]
        #expect(Set(GGMLType.readable.filter { !$0.hasCells }) == Set(groups + [.f32, .f16, .bf16]))
    }

    @Test("types that are not quantized are decoded as they are", arguments: [GGMLType.f32, .f16, .bf16])
    func plain(type: GGMLType) throws {
        let bytes = blocks(type, count: 64, seed: 8)
        let decoded = Implementation.reference.decode(try type.testCodec, bytes, columns: 64)
        #expect(patterns(dithered(bytes, type, seed: 1)) == patterns(decoded))
    }

    @Test("encoding dithered Q4_0 again keeps most codes")
    func encodingAgain() throws {
        var random = SeededGenerator(seed: 10)
        let weights = random.normal(32 * 1000, scale: 0.05)
        let bytes = try Implementation.reference.encode(Q4_0(), weights, columns: weights.count)
        let drawn = dithered(bytes, .q4_0, seed: 11)
        let again = try Implementation.reference.encode(Q4_0(), drawn, columns: drawn.count)
        func codes(_ bytes: [UInt8]) -> [UInt8] {
            bytes.indices.filter { $0 % 18 >= 2 }.flatMap { [bytes[$0] & 15, bytes[$0] >> 4] }
        }
        let same = zip(codes(bytes), codes(again)).count { $0 == $1 }
        // The scale moves with the extreme by up to 1/16, so some codes change by one; most do not.
        #expect(same > 20000 && same < 32000)
        #expect(zip(codes(bytes), codes(again)).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    }

    // MARK: -

    private func dithered(
        _ bytes: [UInt8], _ type: GGMLType, seed: UInt64, first: UInt64 = 0,
        stream: UInt64 = Dither.stream(of: "tensor")
    ) -> [Float] {
        let columns = bytes.count / type.blockBytes * type.blockSize
        var weights = [Float](repeating: .nan, count: columns)
        var span = weights.mutableSpan
        Dither(seed: seed).decode(
            bytes.span.bytes, type: type, columns: columns, firstElement: first, stream: stream, into: &span)
        return weights
    }

    /// Random blocks with ordinary scales.
    private func blocks(_ type: GGMLType, count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed &+ UInt64(type.rawValue) &* 1000)
        var bytes = random.bytes(count * type.blockBytes)
        for block in 0..<count {
            type.setScales(&bytes, block: block) {
                (random.uniform() + 0.1) * (random.next() % 2 == 0 ? 0.01 : -0.01)
            }
        }
        return bytes
    }

    /// The same blocks with all codes 0, all codes 1 and so on: the grid of every element.
    private func grids(_ type: GGMLType, _ blocks: [UInt8]) -> [[UInt8]] {
        func replacing(_ regions: [(Range<Int>, UInt8)]) -> [UInt8] {
            var bytes = blocks
            for start in stride(from: 0, to: bytes.count, by: type.blockBytes) {
                for (range, value) in regions { for index in range { bytes[start + index] = value } }
            }
            return bytes
        }
        func nibble(_ code: Int) -> UInt8 { UInt8(code % 16 * 0x11) }
        func quarter(_ code: Int) -> UInt8 { UInt8(code % 4 * 0x55) }
        func bit(_ code: Int) -> UInt8 { code == 0 ? 0 : 0xFF }
        return switch type {
        case .q4_0, .iq4_nl: (0..<16).map { replacing([(2..<18, nibble($0))]) }
        case .q4_1: (0..<16).map { replacing([(4..<20, nibble($0))]) }
        case .q5_0: (0..<32).map { replacing([(2..<6, bit($0 / 16)), (6..<22, nibble($0))]) }
        case .q5_1: (0..<32).map { replacing([(4..<8, bit($0 / 16)), (8..<24, nibble($0))]) }
        case .q8_0: (0..<256).map { replacing([(2..<34, UInt8($0))]) }
        case .q2_k: (0..<4).map { replacing([(16..<80, quarter($0))]) }
        case .q3_k: (0..<8).map { replacing([(0..<32, bit($0 / 4)), (32..<96, quarter($0))]) }
        case .q4_k: (0..<16).map { replacing([(16..<144, nibble($0))]) }
        case .q5_k: (0..<32).map { replacing([(16..<48, bit($0 / 16)), (48..<176, nibble($0))]) }
        case .q6_k: (0..<64).map { replacing([(0..<128, nibble($0)), (128..<192, quarter($0 / 16))]) }
        case .iq4_xs: (0..<16).map { replacing([(8..<136, nibble($0))]) }
        case .mxfp4: (0..<16).map { replacing([(1..<17, nibble($0))]) }
        case .nvfp4: (0..<16).map { replacing([(4..<36, nibble($0))]) }
        case .tq1_0: [0, 0x80, 0xFF].map { replacing([(0..<52, $0)]) }
        case .tq2_0: (0..<4).map { replacing([(0..<64, quarter($0))]) }
        case .q1_0: (0..<2).map { replacing([(2..<18, bit($0))]) }
        case .q2_0: (0..<4).map { replacing([(2..<18, quarter($0))]) }
        default: []
        }
    }
}
