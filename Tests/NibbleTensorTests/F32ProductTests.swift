import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("F32 products")
struct F32ProductTests {
    @Test("are sums of products for all remainders of tiles", arguments: KernelLevel.available)
    func product(level: KernelLevel) {
        var random = SeededGenerator(seed: 11)
        var comparison = Comparison()
        for width in [16, 32, 48, 128] {
            for (rows, columns, stride) in [
                (1, 1, 1), (2, 7, 9), (5, 64, 64), (12, 33, 40), (13, 32, 32), (50, 5, 5),
            ] {
                let w = random.normal(rows * stride)
                let x = random.normal(columns * width)
                var y = [Float](repeating: .nan, count: rows * width + 1)
                nibble_f32_product(w, stride, rows, columns, x, width, &y, level.number)
                for row in 0..<rows {
                    for lane in 0..<width {
                        let column = (0..<columns).map { x[$0 * width + lane] }
                        let expected = Reference.dot(w[row * stride..<row * stride + columns], column)
                        comparison.add(
                            y[row * width + lane], expected.sum,
                            bound: Bound.sum(terms: columns, magnitude: expected.magnitude),
                            "row \(row) lane \(lane)")
                    }
                }
                #expect(y[rows * width].isNaN)
            }
        }
        comparison.check()
    }

    @Test("with one vector", arguments: KernelLevel.available)
    func vector(level: KernelLevel) {
        var random = SeededGenerator(seed: 12)
        var comparison = Comparison()
        for (rows, columns, stride) in [
            (1, 1, 1), (2, 7, 9), (4, 16, 16), (5, 64, 64), (12, 33, 40), (7, 576, 592), (0, 5, 5),
        ] {
            let w = random.normal(rows * stride)
            let x = random.normal(columns)
            var y = [Float](repeating: .nan, count: rows + 1)
            nibble_f32_vector_product(w, stride, rows, columns, x, &y, level.number)
            for row in 0..<rows {
                let expected = Reference.dot(w[row * stride..<row * stride + columns], x)
                comparison.add(
                    y[row], expected.sum, bound: Bound.sum(terms: columns, magnitude: expected.magnitude),
                    "row \(row) of \(rows)")
            }
            #expect(y[rows].isNaN)
        }
        comparison.check()
    }

    @Test("A transposed panel has the features of a token side by side", arguments: KernelLevel.available)
    func transpose(level: KernelLevel) {
        for (features, width, count) in [(4, 16, 1), (6, 32, 32), (64, 32, 17), (2, 304, 300)] {
            var random = SeededGenerator(seed: UInt64(count))
            let x = random.normal(features * width)
            var rows = [Float](repeating: .nan, count: (count + 1) * features)
            nibble_transpose(x, features, width, count, &rows, features, level.number)
            for token in 0..<count {
                for feature in 0..<features {
                    #expect(rows[token * features + feature] == x[feature * width + token])
                }
            }
            #expect(rows[(count * features)...].allSatisfy { $0.isNaN })
        }
    }
}
