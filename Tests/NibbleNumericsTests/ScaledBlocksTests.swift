import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Blocks with given scales")
struct ScaledBlocksTests {
    @Test(
        "are the codec's where the scales are, at every level", arguments: ScaledBlocks.types,
        KernelLevel.available)
    func chosen(type: GGMLType, level: KernelLevel) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        var (compared, overflows) = (0, 0)
        for columns in [32, 96, 768] {
            for row in Rows.all(columns: columns, seed: UInt64(columns)) {
                let scales = blocks.chosen(row)
                do throws(CodecError) {
                    let expected = try Implementation.kernel(level).encode(codec, row, columns: columns)
                    #expect(try blocks.encoded(row, scales, level) == expected, "\(row.prefix(32))")
                    compared += 1
                } catch {
                    #expect(throws: error) { try blocks.encoded(row, scales, level) }
                    overflows += 1
                }
            }
        }
        #expect(compared > 200 && overflows < compared / 20)
    }

    @Test(
        "and their gradients are the reference's, bit for bit, at every level", arguments: ScaledBlocks.types,
        KernelLevel.available)
    func reference(type: GGMLType, level: KernelLevel) throws {
        let blocks = try #require(ScaledBlocks(type))
        var random = SeededGenerator(seed: 5)
        for row in Rows.all(columns: 768, seed: 11) {
            let chosen = blocks.chosen(row)
            // Scales that clip much, some, and nothing, of both signs, and every kind of small one.
            for factor: Float in [1, -1, 0.3, -2.5, 1e-3, 0, 0x1p-20, 0x1p-140] {
                let scales = chosen.map { scale in
                    let scaled = scale * factor
                    return scaled.magnitude < 65504 ? scaled : 65504
                }
                #expect(
                    try blocks.encoded(row, scales, level) == blocks.encodeReference(row, scales: scales),
                    "\(factor)")
                let gradient = random.normal(row.count)
                let found = blocks.gradients(row, scales, gradient, level)
                let expected = blocks.scaleGradientsReference(row, scales: scales, gradient: gradient)
                #expect(found.codes == expected.codes, "\(factor)")
                #expect(patterns(found.sums) == patterns(expected.sums), "\(factor)")
            }
        }
    }

    @Test(
        "round-trip all codes, with scales of both signs down to the smallest half",
        arguments: ScaledBlocks.types)
    func codes(type: GGMLType) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        let range = type == .q4_0 ? -8...7 : type == .q5_0 ? -16...15 : -127...127
        // The last block repeats some.
        let codes = (0..<256).map { range.lowerBound + $0 % range.count }
        for scale: Float in [1, -1, 0.0123291015625, -0.375, 0x1p-14, -0x1p-20, 0x1p-24, -0x1p-24] {
            let values = codes.map { Float($0) * scale }
            let scales = [Float](repeating: scale, count: 8)
            let bytes = try blocks.encoded(values, scales, .best)
            #expect(Implementation.reference.decode(codec, bytes, columns: 256) == values, "\(scale)")
            // Beyond the ends by any amount.
            for beyond: Float in [0.6, 2, 1e30] {
                let outside = codes.map { code -> Float in
                    code == range.lowerBound
                        ? (Float(code) - beyond) * scale
                        : code == range.upperBound ? (Float(code) + beyond) * scale : Float(code) * scale
                }
                #expect(try blocks.encoded(outside, scales, .best) == bytes, "\(scale), \(beyond)")
            }
        }
    }

    @Test("of zeros are the codec's, and have no gradient", arguments: ScaledBlocks.types)
    func zeros(type: GGMLType) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        let zeros = [Float](repeating: 0, count: 32)
        let scales = blocks.chosen(zeros)
        #expect(scales[0] == 0)
        #expect(
            try blocks.encoded(zeros, scales, .best)
                == Implementation.reference.encode(codec, zeros, columns: 32))
        let gradient = (0..<32).map { Float($0) - 9 }
        let found = blocks.gradients([Float](repeating: 3, count: 32), [0], gradient, .best)
        #expect(found.codes == [Int8](repeating: 0, count: 32) && found.sums == [0])
        let none = try blocks.encoded([], [], .best)
        #expect(none.isEmpty)
    }

    @Test("of NaN, infinity or too large a scale are errors", arguments: ScaledBlocks.types)
    func errors(type: GGMLType) throws {
        let blocks = try #require(ScaledBlocks(type))
        let values = [Float](repeating: 1, count: 96)
        for scale: Float in [.nan, .infinity, -.infinity, 65520, -1e30] {
            #expect(throws: CodecError.scaleOverflow(block: 1)) {
                try blocks.encoded(values, [1, scale, 1], .best)
            }
        }
        #expect(try blocks.encoded(values, [1, 65504, 1], .best).count == 3 * type.blockBytes)
        for value: Float in [.infinity, -.infinity] {
            var broken = values
            broken[70] = value
            #expect(throws: CodecError.nonFiniteValue(index: 70, value: value)) {
                try blocks.encoded(broken, [1, 1, 1], .best)
            }
        }
        var broken = values
        broken[3] = .nan
        #expect(throws: CodecError.self) { try blocks.encoded(broken, [1, 1, 1], .best) }
    }

    @Test("exist for no other type")
    func types() {
        #expect(GGMLType.allCases.filter { ScaledBlocks($0) != nil } == [.q4_0, .q5_0, .q8_0])
    }

    /// Largest error of a sum of 32 products in Float, as a share of the sum of their magnitudes: 6 additions and a
    /// product, each rounded to half a unit of 2⁻²³.
    static let bound = 7 * 0x1p-24

    /// While its codes stay, what a block decodes to is its scale times them.
    @Test(
        "have the scale's gradient that central differences of the decoded values give",
        arguments: ScaledBlocks.types, [Float(1), 0.4, -0.7, 3])
    func differences(type: GGMLType, factor: Float) throws {
        let (blocks, codec) = (try #require(ScaledBlocks(type)), try type.testCodec)
        var random = SeededGenerator(seed: 3)
        let (values, gradient) = (random.normal(320, scale: 0.1), random.normal(320))
        // Halves, so that the decoded values are codes times the scale.
        let scales = blocks.chosen(values).map { Half.float(f16: Half.f16($0 * factor)) }
        let decoded = Implementation.reference.decode(
            codec, try blocks.encoded(values, scales, .best), columns: 320)
        let found = blocks.gradients(values, scales, gradient, .best)
        for block in scales.indices {
            let scale = Double(scales[block])
            func loss(_ s: Double) -> (sum: Double, magnitude: Double) {
                (block * 32..<(block + 1) * 32).reduce((0, 0)) { sum, index in
                    let part = Double(gradient[index]) * (Double(decoded[index]) / scale) * s
                    return (sum.0 + part, sum.1 + abs(part))
                }
            }
            let step = abs(scale) / 4
            let expected = (loss(scale + step).sum - loss(scale - step).sum) / (2 * step)
            let difference = Double(found.sums[block]) - expected
            #expect(abs(difference) <= Self.bound * loss(1).magnitude, "block \(block): \(difference)")
        }
    }
}

extension ScaledBlocks {
    func chosen(_ values: [Float]) -> [Float] {
        var scales = [Float](repeating: .nan, count: values.count / 32)
        var span = scales.mutableSpan
        chooseScales(values.span, into: &span)
        return scales
    }

    func encoded(
        _ values: [Float], _ scales: [Float], _ level: KernelLevel
    ) throws(CodecError) -> [UInt8] {
        // Filled, so that a byte that is not written shows.
        var bytes = [UInt8](repeating: 0xA5, count: scales.count * type.blockBytes)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try encode(values.span, scales: scales.span, into: &raw, level: level)
        return bytes
    }

    func gradients(
        _ values: [Float], _ scales: [Float], _ gradient: [Float], _ level: KernelLevel
    ) -> (codes: [Int8], sums: [Float]) {
        var (codes, sums) = (
            [Int8](repeating: 99, count: values.count), [Float](repeating: .nan, count: scales.count)
        )
        var codeSpan = codes.mutableSpan
        var sumSpan = sums.mutableSpan
        scaleGradients(
            values.span, scales: scales.span, gradient: gradient.span, codes: &codeSpan, into: &sumSpan,
            level: level)
        return (codes, sums)
    }
}
