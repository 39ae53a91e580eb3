import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Held codes")
struct HeldCodesTests {
    private static func held(
        _ blocks: ScaledBlocks, _ values: [Float], codes: [Int8], from before: [Float], to after: [Float],
        _ level: KernelLevel = .best
    ) -> [Float] {
        var result = values
        var span = result.mutableSpan
        blocks.hold(&span, codes: codes.span, from: before.span, to: after.span, level: level)
        return result
    }

    /// Blocks as training has them: some weight of each has the extreme code.
    private static func start(
        _ blocks: ScaledBlocks, _ count: Int, seed: UInt64
    ) -> (values: [Float], scales: [Float], codes: [Int8]) {
        var random = SeededGenerator(seed: seed)
        let values = random.normal(32 * count, scale: 0.1)
        let scales = blocks.chosen(values)
        let zeros = [Float](repeating: 0, count: values.count)
        return (values, scales, blocks.gradients(values, scales, zeros, .best).codes)
    }

    @Test(
        "are the reference's, bit for bit, at every level", arguments: ScaledBlocks.types,
        KernelLevel.available)
    func reference(type: GGMLType, level: KernelLevel) throws {
        let blocks = try #require(ScaledBlocks(type))
        let (values, scales, codes) = Self.start(blocks, 400, seed: 7)
        var random = SeededGenerator(seed: 8)
        // From steps that move nothing to steps that move all, and blocks whose extremes all leave.
        for size: Float in [0, 0.3, 0.7, 2, 100] {
            var moved = values.indices.map { values[$0] + size * random.normal() * scales[$0 / 32] }
            for index in moved.indices where index / 32 % 5 == 0 { moved[index] *= 0.5 }
            var before = scales
            for block in stride(from: 3, to: before.count, by: 50) { before[block] = 0 }
            before[7] = 0x1p-140
            let after = before.map { $0 * (1 + 0.1 * random.normal()) }
            let found = Self.held(blocks, moved, codes: codes, from: before, to: after, level)
            let expected = blocks.holdReference(moved, codes: codes, from: before, to: after)
            #expect(patterns(found) == patterns(expected), "\(size)")
        }
    }

    @Test(
        "stay where weights stay within their cells, however far the scale goes",
        arguments: ScaledBlocks.types)
    func stay(type: GGMLType) throws {
        let blocks = try #require(ScaledBlocks(type))
        let (values, scales, codes) = Self.start(blocks, 100, seed: 9)
        for factor: Float in [1, 0.7, 1.9, 1e-3] {
            let after = scales.map { $0 * factor }
            let held = Self.held(blocks, values, codes: codes, from: scales, to: after)
            let zeros = [Float](repeating: 0, count: held.count)
            #expect(blocks.gradients(held, after, zeros, .best).codes == codes, "\(factor)")
        }
    }

    @Test("change with half a step, and are then in the middle of their cells", arguments: ScaledBlocks.types)
    func change(type: GGMLType) throws {
        let blocks = try #require(ScaledBlocks(type))
        let scale: Float = 0.25
        let lowest = Float(type == .q4_0 ? -8 : type == .q5_0 ? -16 : -127)
        // The first holds the extreme, the others move from code 2 by more and more.
        let codes = [Int8(lowest)] + [Int8](repeating: 2, count: 31)
        let positions = [lowest] + (1..<32).map { 2 + Float($0) * 0.0484375 }
        let held = Self.held(
            blocks, positions.map { $0 * scale }, codes: codes, from: [scale], to: [scale])
        for (position, value) in zip(positions, held).dropFirst() {
            let code = (position + 0.5).rounded(.down)
            #expect(value == scale * (code == 2 ? min(position, 2.4999) : code), "\(position)")
        }
        // Beyond the ends there is nothing to gather.
        let beyond = Self.held(
            blocks, (0..<32).map { $0 == 5 ? 1e4 : -1e4 }, codes: codes, from: [scale], to: [scale])
        #expect(beyond[0] == lowest * scale && beyond[5] == scale * (type == .q8_0 ? 127 : -lowest - 1))
    }

    @Test(
        "keep an extreme in each block, so that the codec finds the block again",
        arguments: ScaledBlocks.types)
    func extreme(type: GGMLType) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        var (values, scales, codes) = Self.start(blocks, 200, seed: 10)
        var random = SeededGenerator(seed: 11)
        var changed = 0
        for _ in 0..<30 {
            // Toward zero, and to and fro.
            let moved = values.indices.map {
                values[$0] * 0.96 + 0.2 * random.normal() * scales[$0 / 32]
            }
            let after = scales.map { $0 * (1 + 0.02 * random.normal()) }
            values = Self.held(blocks, moved, codes: codes, from: scales, to: after)
            scales = after
            let zeros = [Float](repeating: 0, count: values.count)
            let now = blocks.gradients(values, scales, zeros, .best).codes
            changed += zip(now, codes).count { $0 != $1 }
            codes = now
            let bytes = try blocks.encoded(values, scales, .best)
            let decoded = Implementation.reference.decode(codec, bytes, columns: values.count)
            #expect(try Implementation.reference.encode(codec, decoded, columns: values.count) == bytes)
        }
        #expect(changed > 1000)
    }
}
