import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("BF16 products", .enabled(if: Precision.bf16.isSupported, "\(Precision.bf16Reason)"))
struct BF16ProductTests {
    @Test("are exact but for the Float sum, for every number of rows", arguments: [16, 32])
    func rows(width: Int) {
        let pairs = 37
        var comparison = Comparison()
        for rows in 1...50 {
            for stride in [2 * pairs, 2 * pairs + 6] {
                var random = SeededGenerator(seed: UInt64(1000 * rows + stride))
                let weights = random.normal(rows * stride, scale: 0.05).map(Half.bf16)
                let x = random.normal(2 * pairs * width)
                let y = product(weights, stride: stride, rows: rows, x, features: 2 * pairs, width: width)
                for row in 0..<rows {
                    let w = weights[row * stride..<row * stride + 2 * pairs].map { Half.float(bf16: $0) }
                    for lane in 0..<width {
                        let column = (0..<2 * pairs).map { Reference.bf16(x[$0 * width + lane]) }
                        let (sum, magnitude) = Reference.dot(w, column)
                        comparison.add(
                            y[row * width + lane], sum,
                            bound: Bound.sum(terms: 2 * pairs, magnitude: magnitude),
                            "\(rows) rows, row \(row), lane \(lane)")
                    }
                }
            }
        }
        comparison.check()
    }

    @Test("write no row more than asked for", arguments: [16, 32])
    func extent(width: Int) {
        var random = SeededGenerator(seed: 3)
        for rows in 1...50 {
            let weights = random.normal(rows * 4, scale: 1).map(Half.bf16)
            let x = random.normal(4 * width)
            let y = product(weights, stride: 4, rows: rows, x, features: 4, width: width)
            #expect(y.count == (rows + 1) * width)
            #expect(y[..<(rows * width)].allSatisfy { $0.isFinite })
            #expect(y[(rows * width)...].allSatisfy { $0.isNaN })
        }
    }

    @Test("pairs hold two features, and zero past an odd end", arguments: [1, 2, 7, 32])
    func pairs(features: Int) {
        for width in [16, 32, 48] {
            var random = SeededGenerator(seed: UInt64(features))
            var x = random.normal(features * width)
            let special: [Float] = [
                0, -0.0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, 0x1.01p0, 0x1.03p0, 0x1p-140,
            ]
            for (lane, value) in special.enumerated() { x[lane] = value }
            var packed = [UInt32](repeating: 0xA5A5_A5A5, count: (features + 1) / 2 * width)
            nibble_pack_bf16_pairs(x, features, width, &packed)
            for pair in 0..<(features + 1) / 2 {
                for lane in 0..<width {
                    let low = flushed(x[2 * pair * width + lane])
                    let high = 2 * pair + 1 < features ? flushed(x[(2 * pair + 1) * width + lane]) : 0
                    #expect(packed[pair * width + lane] == UInt32(low) | UInt32(high) << 16)
                }
            }
        }
    }

    /// BF16 as the instruction rounds: subnormals become zero.
    private func flushed(_ value: Float) -> UInt16 {
        value.isSubnormal ? Half.bf16(value.sign == .minus ? -0.0 : 0) : Half.bf16(value)
    }

    @Test("of NaN and infinity are NaN and infinity")
    func special() {
        let one = Half.bf16(1)
        for (value, check) in [
            (Float.nan, { (y: Float) in y.isNaN }), (.infinity, { $0 == .infinity }),
            (-.infinity, { $0 == -.infinity }),
        ] {
            var x = [Float](repeating: 1, count: 4 * 16)
            x[2 * 16 + 5] = value
            let y = product([one, one, one, one], stride: 4, rows: 1, x, features: 4, width: 16)
            #expect(check(y[5]))
            #expect(y[4] == 4 && y[6] == 4)
        }
    }

    @Test("with one vector", arguments: KernelLevel.available)
    func vector(level: KernelLevel) {
        var comparison = Comparison()
        for columns in [1, 2, 15, 16, 31, 32, 33, 63, 64, 65, 640] {
            let stride = columns + 3
            let rows = 5
            var random = SeededGenerator(seed: UInt64(columns))
            let weights = random.normal(rows * stride, scale: 0.05).map(Half.bf16)
            let x = random.normal(columns)
            var y = [Float](repeating: .nan, count: rows)
            nibble_bf16_vector_product(weights, stride, rows, columns, x, &y, level.number)
            for row in 0..<rows {
                let w = weights[row * stride..<row * stride + columns].map { Half.float(bf16: $0) }
                let (sum, magnitude) = Reference.dot(w, x)
                comparison.add(y[row], sum, bound: Bound.sum(terms: columns, magnitude: magnitude))
            }
        }
        comparison.check()
    }

    /// The product and a row of NaN behind it.
    private func product(
        _ weights: [UInt16], stride: Int, rows: Int, _ x: [Float], features: Int, width: Int
    ) -> [Float] {
        var packed = [UInt32](repeating: 0, count: (features + 1) / 2 * width)
        nibble_pack_bf16_pairs(x, features, width, &packed)
        var y = [Float](repeating: .nan, count: (rows + 1) * width)
        nibble_bf16_product(weights, stride, rows, (features + 1) / 2, packed, width, &y)
        return y
    }
}

@Suite("Rounding to BF16")
struct BF16RoundingTests {
    private static let values: [Float] = {
        var random = SeededGenerator(seed: 11)
        let special: [Float] = [
            0, -0.0, .infinity, -.infinity, .nan, -.nan, .greatestFiniteMagnitude, 0x1.01p0, 0x1.03p0,
            0x1.02p0,
            0x1p-140, -0x1p-149, 0x1.FFp127, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF),
        ]
        return special + (0..<2000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
    }()

    @Test("every level gives the bits of the reference", arguments: KernelLevel.available)
    func round(level: KernelLevel) {
        for count in [0, 1, 15, 16, 17, Self.values.count] {
            var halves = [UInt16](repeating: 0xA5A5, count: count + 1)
            nibble_round_bf16(Self.values, count, &halves, level.number)
            #expect(Array(halves[..<count]) == Self.values[..<count].map(Half.bf16))
            #expect(halves[count] == 0xA5A5)
        }
    }
}
