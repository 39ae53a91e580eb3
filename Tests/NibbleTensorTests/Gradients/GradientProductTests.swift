import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

/// A product of the backward pass: sizes, and where its numbers lie.
private struct Shape {
    /// Rows of the result, and terms of each sum.
    var rows: Int, terms: Int
    /// Beyond what a row of weights, or of the result, needs.
    var gap: Int, resultGap: Int

    /// One of each, and all remainders of tiles of 4, 5, 6, 12, 16 and 24 rows.
    static let all =
        [
            Shape(rows: 1, terms: 1, gap: 0, resultGap: 0),
            Shape(rows: 48, terms: 128, gap: 16, resultGap: 0),
            Shape(rows: 96, terms: 37, gap: 1, resultGap: 32),
            Shape(rows: 63, terms: 16, gap: 0, resultGap: 0),
        ]
        + (1...29).map { Shape(rows: $0, terms: 5 + $0 % 4, gap: $0 % 3, resultGap: 16 * ($0 % 2)) }
}

/// Compares a result with Σ over terms of weights times x, added to what was there.
private func compare(
    _ y: [Float], start: [Float], _ shape: Shape, width: Int, accumulates: Bool, weight: (Int, Int) -> Float,
    x: (_ term: Int, _ lane: Int) -> Float, into comparison: inout Comparison
) {
    let stride = width + shape.resultGap
    for row in 0..<shape.rows {
        for lane in 0..<width {
            var (sum, magnitude) = Reference.dot(
                (0..<shape.terms).map { weight(row, $0) }, (0..<shape.terms).map { x($0, lane) })
            if accumulates {
                sum += Double(start[row * stride + lane])
                magnitude += abs(Double(start[row * stride + lane]))
            }
            comparison.add(
                y[row * stride + lane], sum, bound: Bound.sum(terms: shape.terms + 1, magnitude: magnitude),
                "\(shape), width \(width), row \(row), lane \(lane)")
        }
        for index in row * stride + width..<(row + 1) * stride {
            #expect(y[index].bitPattern == start[index].bitPattern, "\(shape), width \(width)")
        }
    }
    for index in shape.rows * stride..<y.count { #expect(y[index].bitPattern == start[index].bitPattern) }
}

/// What is in the memory of a result: numbers to add to, or NaN.
private func memory(_ count: Int, accumulates: Bool, _ random: inout SeededGenerator) -> [Float] {
    accumulates ? random.normal(count) : [Float](repeating: .nan, count: count)
}

@Suite("F32 products of the backward pass")
struct F32GradientProductTests {
    @Test("by rows", arguments: KernelLevel.available, [false, true])
    func rows(level: KernelLevel, accumulates: Bool) {
        var random = SeededGenerator(seed: 1)
        var comparison = Comparison()
        for width in [16, 32, 48, 128] {
            for shape in Shape.all {
                let stride = shape.terms + shape.gap
                let w = random.normal(shape.rows * stride)
                let x = random.normal(shape.terms * width)
                let resultStride = width + shape.resultGap
                let start = memory(shape.rows * resultStride + 16, accumulates: accumulates, &random)
                var y = start
                nibble_f32_rows_product(
                    w, stride, shape.rows, shape.terms, x, width, &y, resultStride, accumulates ? 1 : 0,
                    level.number)
                compare(
                    y, start: start, shape, width: width, accumulates: accumulates,
                    weight: { w[$0 * stride + $1] }, x: { x[$0 * width + $1] }, into: &comparison)
            }
        }
        comparison.check()
    }

    @Test("by columns", arguments: KernelLevel.available, [false, true])
    func columns(level: KernelLevel, accumulates: Bool) {
        var random = SeededGenerator(seed: 2)
        var comparison = Comparison()
        for width in [16, 32, 48, 128] {
            for var shape in Shape.all {
                shape.resultGap = 0
                let stride = shape.rows + shape.gap
                let w = random.normal(shape.terms * stride)
                let x = random.normal(shape.terms * width)
                let start = memory(shape.rows * width + 16, accumulates: accumulates, &random)
                var y = start
                nibble_f32_columns_product(
                    w, stride, shape.rows, shape.terms, x, width, &y, accumulates ? 1 : 0, level.number)
                compare(
                    y, start: start, shape, width: width, accumulates: accumulates,
                    weight: { w[$1 * stride + $0] }, x: { x[$0 * width + $1] }, into: &comparison)
            }
        }
        comparison.check()
    }
}

@Suite(
    "BF16 products of the backward pass", .enabled(if: Precision.bf16.isSupported, "\(Precision.bf16Reason)"))
struct BF16GradientProductTests {
    /// A half of a pair.
    private static func half(_ pair: UInt32, _ index: Int) -> Float {
        Half.float(bf16: UInt16(truncatingIfNeeded: index == 0 ? pair : pair >> 16))
    }

    private static func pairs(_ count: Int, _ random: inout SeededGenerator) -> [UInt32] {
        (0..<count).map { _ in
            UInt32(Half.bf16(random.normal())) | UInt32(Half.bf16(random.normal())) << 16
        }
    }

    @Test("by rows", arguments: [16, 32], [false, true])
    func rows(width: Int, accumulates: Bool) {
        rows(width: width, accumulates: accumulates, nibble_bf16_rows_product)
    }

    @Test(
        "by rows, in tiles", .enabled(if: nibble_has_bf16_tiles() != 0, "this machine has no AMX"),
        arguments: [16, 32], [false, true])
    func tiles(width: Int, accumulates: Bool) {
        rows(width: width, accumulates: accumulates, nibble_bf16_tiles_product)
    }

    private typealias Product = (
        _ w: UnsafePointer<UInt32>, _ stride: Int, _ rows: Int, _ pairs: Int, _ x: UnsafePointer<UInt32>,
        _ width: Int, _ y: UnsafeMutablePointer<Float>, _ resultStride: Int, _ accumulates: Int32
    ) -> Void

    private func rows(width: Int, accumulates: Bool, _ product: Product) {
        var random = SeededGenerator(seed: 3)
        var comparison = Comparison()
        for var shape in Shape.all {
            let (count, stride) = (shape.terms, shape.terms + shape.gap)
            let w = Self.pairs(shape.rows * stride, &random)
            let x = Self.pairs(count * width, &random)
            let resultStride = width + shape.resultGap
            let start = memory(shape.rows * resultStride + 16, accumulates: accumulates, &random)
            var y = start
            product(
                w, stride, shape.rows, count, x, width, &y, resultStride, accumulates ? 1 : 0)
            shape.terms *= 2
            compare(
                y, start: start, shape, width: width, accumulates: accumulates,
                weight: { Self.half(w[$0 * stride + $1 / 2], $1 % 2) },
                x: { Self.half(x[$0 / 2 * width + $1], $0 % 2) }, into: &comparison)
        }
        comparison.check()
    }

    @Test("by columns", arguments: [16, 32], [false, true])
    func columns(width: Int, accumulates: Bool) {
        var random = SeededGenerator(seed: 4)
        var comparison = Comparison()
        for var shape in Shape.all {
            shape.resultGap = 0
            let (count, stride) = (shape.terms, shape.rows + shape.gap)
            let w = Self.pairs(count * stride, &random)
            let x = Self.pairs(count * width, &random)
            let start = memory(shape.rows * width + 16, accumulates: accumulates, &random)
            var y = start
            nibble_bf16_columns_product(w, stride, shape.rows, count, x, width, &y, accumulates ? 1 : 0)
            shape.terms *= 2
            compare(
                y, start: start, shape, width: width, accumulates: accumulates,
                weight: { Self.half(w[$1 / 2 * stride + $0], $1 % 2) },
                x: { Self.half(x[$0 / 2 * width + $1], $0 % 2) }, into: &comparison)
        }
        comparison.check()
    }

    @Test("of rows of tokens that are packed exactly, and not beyond them", arguments: [16, 32, 48])
    func packedRows(width: Int) {
        for features in [1, 2, 15, 33] {
            var random = SeededGenerator(seed: UInt64(features))
            let x = random.normal(features * width)
            let stride = width + 16
            var out = [UInt16](repeating: 0xA5A5, count: features * stride)
            nibble_pack_bf16_rows(x, features, width, &out, stride)
            for feature in 0..<features {
                for lane in 0..<stride {
                    let expected = lane < width ? Half.bf16(x[feature * width + lane]) : 0xA5A5
                    #expect(out[feature * stride + lane] == expected)
                }
            }
        }
    }

    @Test(
        "of tokens that are packed transposed, with zeros past the last feature", arguments: [16, 32, 48],
        [1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 80])
    func packedTransposed(width: Int, features: Int) {
        var random = SeededGenerator(seed: UInt64(features))
        let x = random.normal(features * width)
        let groups = (features + 31) / 32
        // As of a panel among others.
        let stride = width / 2 * 32 + 64
        var out = [UInt32](repeating: 0xA5A5_A5A5, count: groups * stride)
        nibble_pack_bf16_transposed(x, features, width, &out, stride)
        for group in 0..<groups {
            for index in 0..<stride {
                let (pair, feature) = (index / 32, group * 32 + index % 32)
                var expected: UInt32 = 0xA5A5_A5A5
                if pair < width / 2 {
                    let low = feature < features ? Half.bf16(x[feature * width + 2 * pair]) : 0
                    let high = feature < features ? Half.bf16(x[feature * width + 2 * pair + 1]) : 0
                    expected = UInt32(low) | UInt32(high) << 16
                }
                guard out[group * stride + index] != expected else { continue }
                Issue.record(
                    "group \(group), pair \(pair), feature \(feature): \(out[group * stride + index])")
                return
            }
        }
    }

    @Test(
        "of rows that are packed by columns, and not beyond them", arguments: [1, 2, 31, 32, 33, 70],
        [1, 15, 16, 17, 40])
    func packedColumns(rows: Int, columns: Int) {
        var random = SeededGenerator(seed: UInt64(100 * rows + columns))
        let (stride, pairs) = (columns + 2, (rows + 1) / 2)
        let w = random.normal(rows * stride).map(Half.bf16)
        let resultStride = pairs + 3
        var out = [UInt32](repeating: 0xA5A5_A5A5, count: columns * resultStride)
        nibble_pack_bf16_columns(w, stride, rows, columns, &out, resultStride)
        var wrong: [String] = []
        for column in 0..<columns {
            for pair in 0..<resultStride {
                var expected: UInt32 = 0xA5A5_A5A5
                if pair < pairs {
                    let odd = 2 * pair + 1 < rows ? w[(2 * pair + 1) * stride + column] : 0
                    expected = UInt32(w[2 * pair * stride + column]) | UInt32(odd) << 16
                }
                if out[column * resultStride + pair] != expected { wrong.append("\(column), \(pair)") }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(3))")
    }

    @Test("of two rows that are interleaved in blocks", arguments: [1, 15, 47, 48, 49, 96, 100])
    func interleaved(columns: Int) {
        var random = SeededGenerator(seed: UInt64(columns))
        let (even, odd) = (random.normal(columns).map(Half.bf16), random.normal(columns).map(Half.bf16))
        let (block, stride) = (48, 3 * 48)
        for isWhole in [true, false] {
            let blocks = (columns + block - 1) / block
            var out = [UInt32](repeating: 0xA5A5_A5A5, count: blocks * stride)
            odd.withUnsafeBufferPointer { odd in
                nibble_interleave_bf16(even, isWhole ? odd.baseAddress : nil, columns, block, stride, &out)
            }
            for index in out.indices {
                let column = index / stride * block + index % stride
                let isThere = index % stride < block && column < columns
                let expected =
                    isThere ? UInt32(even[column]) | (isWhole ? UInt32(odd[column]) << 16 : 0) : 0xA5A5_A5A5
                #expect(out[index] == expected)
            }
        }
    }
}
