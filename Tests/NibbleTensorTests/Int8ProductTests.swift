import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("int8 products", .enabled(if: Precision.hasInt8, "\(Precision.int8Reason)"))
struct Int8ProductTests {
    /// Byte codes of some rows.
    fileprivate struct Unpacked {
        var codes: [UInt8]
        var scales: [Float]
        var minima: [Float]?
        var zero: Int32

        init(_ type: GGMLType, _ bytes: [UInt8]) {
            let blocks = bytes.count / type.blockBytes * type.blockSize / 32
            codes = Array(repeating: 0xA5, count: 32 * blocks)
            scales = Array(repeating: .nan, count: blocks)
            var minima = [Float](repeating: .nan, count: blocks)
            let guarded = GuardedBytes(bytes)
            if let start = guarded.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) {
                nibble_unpack_byte_codes(type.rawValue, start, blocks, &codes, &scales, &minima)
            }
            zero = nibble_byte_code_zero(type.rawValue)
            self.minima = nibble_byte_codes_have_minima(type.rawValue) != 0 ? minima : nil
        }
    }

    /// Quantized activations of a panel.
    private struct Activations {
        var codes: [Int8]
        var scales: [Float]
        var sums: [Int32]
        let width: Int

        init(_ x: [Float], features: Int, width: Int) {
            codes = Array(repeating: 0x55, count: features * width)
            scales = Array(repeating: .nan, count: features / 32 * width)
            sums = Array(repeating: 0x5555, count: features / 32 * width)
            self.width = width
            nibble_quantize_activations(x, features, width, &codes, &scales, &sums)
        }

        func code(_ feature: Int, _ lane: Int) -> Int {
            Int(codes[(feature / 4 * width + lane) * 4 + feature % 4])
        }
    }

    private static func product(_ w: Unpacked, _ x: Activations, rows: Int, blocks: Int) -> [Float] {
        var y = [Float](repeating: .nan, count: (rows + 1) * x.width)
        if let minima = w.minima {
            nibble_int8_product(
                w.codes, w.scales, minima, w.zero, rows, blocks, x.codes, x.scales, x.sums, x.width, &y)
        } else {
            nibble_int8_product(
                w.codes, w.scales, nil, w.zero, rows, blocks, x.codes, x.scales, x.sums, x.width, &y)
        }
        return y
    }

    @Test("byte codes are the weights but for one rounding", arguments: GGMLType.withByteCodes)
    func unpacking(type: GGMLType) throws {
        var random = SeededGenerator(seed: UInt64(type.rawValue) + 50)
        var comparison = Comparison()
        for blocks in [1, 2, 5, 40] {
            let bytes = type.randomBlocks(blocks, random: &random)
            let weights = try Weights(type, rows: 1, columns: blocks * type.blockSize, bytes: bytes)
            let unpacked = Unpacked(type, bytes)
            for (index, value) in weights.values.enumerated() {
                let scale = Double(unpacked.scales[index / 32])
                let product = scale * Double(Int32(unpacked.codes[index]) - unpacked.zero)
                let minimum = Double(unpacked.minima?[index / 32] ?? 0)
                // Scale times code is exact where there are no super-blocks; with them the scale is rounded too,
                // and the codec rounds the product before it adds the minimum.
                comparison.add(
                    value, product + minimum, bound: 2 * Bound.rounding * (abs(product) + abs(minimum)),
                    "element \(index)")
            }
        }
        comparison.check()
    }

    @Test("types without byte codes say so")
    func types() {
        for type in GGMLType.allCases {
            let has = nibble_byte_code_zero(type.rawValue) >= 0
            #expect(has == GGMLType.withByteCodes.contains(type), "\(type)")
            if !has { #expect(nibble_byte_codes_have_minima(type.rawValue) == 0) }
        }
    }

    @Test("activations have the codes, scales and sums of the reference", arguments: [16, 32, 48])
    func activations(width: Int) {
        let features = 256
        var random = SeededGenerator(seed: 21)
        var x = random.normal(features * width)
        for feature in 0..<features {
            // One block of zeros, one of very different sizes, ties, subnormals, huge values.
            if feature < 32 { x[feature * width] = 0 }
            x[feature * width + 1] *= Float(sign: .plus, exponent: -(feature % 40), significand: 1)
            x[feature * width + 2] = Float(feature % 255 - 127) / 2
            x[feature * width + 3] = feature % 32 == 0 ? 127 : Float(feature % 9) + 0.5
            x[feature * width + 4] *= 0x1p-140
            x[feature * width + 5] *= 1e37
            x[feature * width + 6] *= 1e-36
        }
        let found = Activations(x, features: features, width: width)
        for lane in 0..<width {
            let column = (0..<features).map { x[$0 * width + lane] }
            let expected = Reference.int8(column)
            #expect((0..<features).map { found.code($0, lane) } == expected.codes, "lane \(lane)")
            for block in 0..<features / 32 {
                #expect(found.scales[block * width + lane] == expected.scales[block])
                let sum = expected.codes[32 * block..<32 * block + 32].reduce(0, +)
                #expect(found.sums[block * width + lane] == Int32(sum))
            }
        }
    }

    @Test(
        "are exact but for the Float sum, for every number of rows", arguments: GGMLType.withByteCodes,
        [16, 32])
    func rows(type: GGMLType, width: Int) throws {
        let columns = max(96, type.blockSize)
        var (exact, rounded) = (Comparison(), Comparison())
        for rows in [1, 2, 3, 5, 6, 7, 11, 12, 13, 25, 47, 48, 50] {
            let weights = try Weights(type, rows: rows, columns: columns, seed: UInt64(rows))
            var random = SeededGenerator(seed: UInt64(rows) + 900)
            let x = random.normal(columns * width)
            let unpacked = Unpacked(type, weights.bytes)
            let activations = Activations(x, features: columns, width: width)
            let y = Self.product(unpacked, activations, rows: rows, blocks: columns / 32)
            #expect(y[(rows * width)...].allSatisfy { $0.isNaN })
            for lane in [0, 1, 7, width - 1] {
                let column = (0..<columns).map { x[$0 * width + lane] }
                let (codes, scales) = Reference.int8(column)
                for row in 0..<rows {
                    // Σ w q, Σ (|scale code| + |minimum|) |q| and what rounding of x may cost.
                    var (sum, magnitude, step) = (0.0, 0.0, 0.0)
                    for k in 0..<columns {
                        let w = weights.values[row * columns + k]
                        let (block, index) = ((row * columns + k) / 32, row * columns + k)
                        let q = Double(codes[k]) * Double(scales[k / 32])
                        sum += Double(w) * q
                        let product =
                            Double(unpacked.scales[block])
                            * Double(Int32(unpacked.codes[index]) - unpacked.zero)
                        magnitude += (abs(product) + abs(Double(unpacked.minima?[block] ?? 0))) * abs(q)
                        step += abs(Double(w)) * Double(scales[k / 32])
                    }
                    let bound = Bound.sum(terms: 2 * columns / 32, magnitude: magnitude)
                    let found = y[row * width + lane]
                    exact.add(found, sum, bound: bound, "row \(row) of \(rows), lane \(lane)")
                    rounded.add(
                        found, Reference.dot(weights[row], column).sum, bound: bound + Bound.int8Step * step,
                        "row \(row) of \(rows), lane \(lane)")
                }
            }
        }
        exact.check()
        rounded.check()
    }

    @Test("of the largest codes do not overflow", arguments: [16, 32])
    func extremes(width: Int) {
        let (blocks, rows) = (4, 13)
        for zero: Int32 in [0, 8, 16, 128] {
            for code: UInt8 in [0, 255] {
                for sign: Float in [1, -1] {
                    let x = Activations(
                        [Float](repeating: 127 * sign, count: 32 * blocks * width), features: 32 * blocks,
                        width: width)
                    #expect(x.codes.allSatisfy { $0 == Int8(127 * sign) })
                    #expect(x.sums.allSatisfy { $0 == Int32(32 * 127 * sign) })
                    let w = Unpacked(
                        codes: [UInt8](repeating: code, count: rows * blocks * 32),
                        scales: [Float](repeating: 1, count: rows * blocks),
                        minima: [Float](repeating: 2, count: rows * blocks), zero: zero)
                    let y = Self.product(w, x, rows: rows, blocks: blocks)
                    let expected = Float(32 * blocks) * (Float(Int32(code) - zero) + 2) * 127 * sign
                    // All numbers are whole and below 2^24, so sums are exact; the scale of 127 / 127 is 1.
                    #expect(y[..<(rows * width)].allSatisfy { $0 == expected })
                }
            }
        }
    }

    @Test("of zero blocks are zero", arguments: GGMLType.withByteCodes)
    func zeros(type: GGMLType) throws {
        let weights = try Weights(type, rows: 7, columns: 256, seed: 5)
        let x = Activations([Float](repeating: 0, count: 256 * 16), features: 256, width: 16)
        let y = Self.product(Unpacked(type, weights.bytes), x, rows: 7, blocks: 8)
        #expect(y[..<(7 * 16)].allSatisfy { $0 == 0 })
    }

    @Test("one NaN or infinity among the activations reaches the result", arguments: GGMLType.withByteCodes)
    func special(type: GGMLType) throws {
        let weights = try Weights(type, rows: 7, columns: 256, seed: 6)
        for (feature, value) in [(40, Float.nan), (63, .nan), (32, .nan), (40, .infinity), (63, -.infinity)] {
            var random = SeededGenerator(seed: 7)
            var values = random.normal(256 * 16)
            values[feature * 16 + 3] = value
            let x = Activations(values, features: 256, width: 16)
            let y = Self.product(Unpacked(type, weights.bytes), x, rows: 7, blocks: 8)
            for row in 0..<7 {
                #expect(!y[row * 16 + 3].isFinite, "row \(row), \(value) in feature \(feature)")
                #expect(y[row * 16 + 2].isFinite && y[row * 16 + 4].isFinite)
            }
        }
    }
}

extension Int8ProductTests.Unpacked {
    fileprivate init(codes: [UInt8], scales: [Float], minima: [Float]?, zero: Int32) {
        self.codes = codes
        self.scales = scales
        self.minima = minima
        self.zero = zero
    }
}
