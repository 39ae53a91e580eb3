import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Anchored scales")
struct AnchoredScalesTests {
    private static let factors: [Float] = [1, -1, 0.3, -0.7, 1.04, 1.1, -1.1, 2.5, -40, 1e-3, 0, 0x1p-140]

    @Test(
        "are the reference's at every level", arguments: ScaledBlocks.types,
        KernelLevel.available)
    func reference(type: GGMLType, level: KernelLevel) throws {
        let blocks = try #require(ScaledBlocks(type))
        var (kept, turned, lowered) = (0, 0, 0)
        for row in Rows.all(columns: 768, seed: 7) {
            let chosen = blocks.chosen(row)
            for factor in Self.factors {
                let scales = chosen.map { $0 * factor }
                let expected = blocks.anchorReference(row, scales: scales)
                let found = blocks.anchored(row, scales, level)
                #expect(patterns(found) == patterns(expected), "\(factor)")
                for (before, after) in zip(scales, found) {
                    kept += before == after ? 1 : 0
                    turned += before == -after && before != 0 ? 1 : 0
                    lowered += before.magnitude > after.magnitude ? 1 : 0
                }
            }
        }
        #expect(kept > 1000 && lowered > 1000)
        #expect(type == .q8_0 ? turned == 0 : turned > 100)
    }

    @Test("stay where the codec chose them", arguments: ScaledBlocks.types)
    func chosen(type: GGMLType) throws {
        let blocks = try #require(ScaledBlocks(type))
        for row in Rows.all(columns: 768, seed: 3) {
            let scales = blocks.chosen(row)
            #expect(patterns(blocks.anchored(row, scales, .best)) == patterns(scales))
        }
    }

    @Test(
        "give blocks that are the same when their values are quantized again", arguments: ScaledBlocks.types)
    func again(type: GGMLType) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        var random = SeededGenerator(seed: 17)
        var changed = 0
        for factor: Float in [0.2, -0.5, 0.9, 1, -1, 1.05, 1.3, -1.3, 3, -7] {
            // Its codes are as many on both sides: nothing makes a scale negative.
            guard type != .q8_0 || factor > 0 else { continue }
            let values = random.normal(32 * 400, scale: 0.05)
            let scales = blocks.chosen(values).map { $0 * factor }
            func encodedTwice(_ scales: [Float]) throws -> ([UInt8], [UInt8]) {
                let bytes = try blocks.encoded(values, scales, .best)
                let decoded = Implementation.reference.decode(codec, bytes, columns: values.count)
                return (
                    bytes, try Implementation.reference.encode(codec, decoded, columns: values.count)
                )
            }
            let (bytes, again) = try encodedTwice(blocks.anchored(values, scales, .best))
            let differing = zip(bytes, again).count { $0 != $1 }
            #expect(differing == 0, "\(factor)")
            let (plain, plainAgain) = try encodedTwice(scales)
            changed += plain == plainAgain ? 0 : 1
        }
        // What anchoring is for.
        #expect(changed >= 3)
    }

    @Test("that turn decode no value worse")
    func turning() throws {
        let (blocks, codec) = (try #require(ScaledBlocks(.q4_0)), try GGMLType.q4_0.testCodec)
        // 7.8 steps on the side that ends at code 7, nothing on the other.
        var values = (0..<32).map { Float($0 % 6) - 2.3 }
        values[9] = 7.8
        let scales = blocks.anchored(values, [1], .best)
        #expect(scales == [-1])
        let before = Implementation.reference.decode(
            codec, try blocks.encoded(values, [1], .best), columns: 32)
        let after = Implementation.reference.decode(
            codec, try blocks.encoded(values, scales, .best), columns: 32)
        #expect(before[9] == 7 && after[9] == 8)
        #expect(before.indices.allSatisfy { $0 == 9 || before[$0] == after[$0] })
    }

    @Test(
        "that are searched for are anchored, and weigh less error than the codec's choice in most blocks",
        arguments: ScaledBlocks.types, KernelLevel.available)
    func searched(type: GGMLType, level: KernelLevel) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        var random = SeededGenerator(seed: 23)
        let (columns, rows) = (256, 40)
        let importance = (0..<columns).map { 0.05 + Float($0 * 37 % 101) / 20 }
        let values = random.normal(columns * rows, scale: 0.1)
        var scales = [Float](repeating: .nan, count: values.count / 32)
        var span = scales.mutableSpan
        try blocks.searchScales(values.span, importance: importance.span, into: &span, level: level)
        #expect(patterns(blocks.anchored(values, scales, level)) == patterns(scales))
        func errors(_ scales: [Float]) throws -> [Double] {
            let decoded = Implementation.reference.decode(
                codec, try blocks.encoded(values, scales, level), columns: values.count)
            return scales.indices.map { block in
                (block * 32..<(block + 1) * 32).reduce(0.0) { sum, index in
                    let difference = Double(values[index] - decoded[index])
                    return sum + Double(importance[index % columns]) * difference * difference
                }
            }
        }
        let (found, chosen) = (
            try errors(scales), try errors(blocks.chosen(values).map(ScaledBlocks.portable))
        )
        // But for those of Q8_0 whose nearest portable scale leaves the extreme code unused.
        let worse = zip(found, chosen).count { $0 > $1 * (1 + 1e-6) }
        #expect(worse <= (type == .q8_0 ? found.count / 20 : 0), "\(worse) of \(found.count)")
        #expect(found.reduce(0, +) < (type == .q8_0 ? 1 : 0.95) * chosen.reduce(0, +))
        #expect(scales.allSatisfy { $0 == ScaledBlocks.portable($0) })
    }

    @Test("that are portable have 8 significant bits and are halves")
    func portable() {
        var random = SeededGenerator(seed: 5)
        var scales = random.normal(2000, scale: 0.1) + random.normal(2000, scale: 1e-6)
        scales += [0, -0, 0x1p-24, 0x1p-25, 0x1.8p-24, 0x1p-14, 65_280, 1e-30]
        for scale in scales {
            let (nearest, within) = (ScaledBlocks.portable(scale), ScaledBlocks.portableWithin(scale))
            for found in [nearest, within] {
                #expect(Float(Float16(found)) == found && found.bitPattern & 0xFFFF == 0, "\(scale)")
            }
            #expect(abs(within) <= abs(scale))
            // Half a unit in the eighth bit, or of the smallest half.
            #expect(abs(nearest - scale) <= max(abs(scale) * 0x1.02p-8, 0x1.02p-25), "\(scale): \(nearest)")
            #expect(abs(within - scale) <= max(abs(scale) * 0x1p-7, 0x1p-24), "\(scale): \(within)")
        }
        #expect(ScaledBlocks.portable(.infinity) == .infinity && ScaledBlocks.portable(70_000) == 70_000)
        #expect(ScaledBlocks.portable(.nan).isNaN)
    }

    @Test("of blocks of zeros are 0, and those of NaN stay", arguments: ScaledBlocks.types)
    func extremes(type: GGMLType) throws {
        let blocks = try #require(ScaledBlocks(type))
        #expect(blocks.anchored([Float](repeating: 0, count: 32), [0.5], .best) == [0])
        let ones = [Float](repeating: 1, count: 64)
        let found = blocks.anchored(ones, [.nan, .infinity], .best)
        #expect(found[0].isNaN && found[1] == .infinity)
    }
}

extension ScaledBlocks {
    fileprivate func anchored(
        _ values: [Float], _ scales: [Float], _ level: KernelLevel
    ) -> [Float] {
        var result = scales
        var span = result.mutableSpan
        anchor(values.span, scales: &span, level: level)
        return result
    }
}
