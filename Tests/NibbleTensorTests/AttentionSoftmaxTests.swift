import CKernels
import Foundation
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Softmax of attention")
struct AttentionSoftmaxTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        var keys: Int
        var width: Int
        var firstKey: Int
        var firstQuery: Int
        var window: Int
        var testDescription: String {
            "\(keys) keys from \(firstKey), \(width) queries from \(firstQuery), window \(window)"
        }
    }

    private static let shapes = [
        Shape(keys: 32, width: 16, firstKey: 0, firstQuery: 0, window: 0),
        Shape(keys: 32, width: 32, firstKey: 0, firstQuery: 0, window: 1),
        Shape(keys: 32, width: 32, firstKey: 0, firstQuery: 0, window: 5),
        Shape(keys: 96, width: 32, firstKey: 0, firstQuery: 64, window: 0),
        Shape(keys: 96, width: 32, firstKey: 0, firstQuery: 64, window: 40),
        Shape(keys: 64, width: 32, firstKey: 32, firstQuery: 64, window: 17),
        Shape(keys: 64, width: 128, firstKey: 0, firstQuery: 0, window: 33),
        Shape(keys: 32, width: 16, firstKey: 1 << 40, firstQuery: 1 << 40, window: 7),
        Shape(keys: 32, width: 16, firstKey: 0, firstQuery: 0, window: .max),
        // Queries that see none of these keys: before them all, and with a window that ends after them.
        Shape(keys: 32, width: 16, firstKey: 8, firstQuery: 0, window: 0),
        Shape(keys: 32, width: 48, firstKey: 0, firstQuery: 30, window: 4),
    ]

    @Test("sees the keys of the window up to its position", arguments: KernelLevel.available, shapes)
    func masks(level: KernelLevel, shape: Shape) {
        var random = SeededGenerator(seed: UInt64(shape.keys + shape.window % 100))
        let scores = random.normal(shape.keys * shape.width, scale: 4)
        var found = scores
        var inverse = [Float](repeating: .nan, count: shape.width)
        nibble_attention_softmax(
            &found, shape.keys, shape.width, Int64(shape.firstKey), Int64(shape.firstQuery),
            Int64(shape.window), &inverse, level.number)
        var comparison = Comparison()
        for lane in 0..<shape.width {
            let position = shape.firstQuery + lane
            let visible = (0..<shape.keys).filter { row in
                let key = shape.firstKey + row
                return key <= position && (shape.window == 0 || position - key < shape.window)
            }
            let column = (0..<shape.keys).map { Double(scores[$0 * shape.width + lane]) }
            let maximum = visible.map { column[$0] }.max() ?? 0
            var (sum, error) = (0.0, 0.0)
            for row in 0..<shape.keys {
                let value = found[row * shape.width + lane]
                guard visible.contains(row) else {
                    #expect(value == 0, "row \(row), lane \(lane)")
                    continue
                }
                let expected = exp(column[row] - maximum)
                // The difference is rounded, then the exponential multiplies by it.
                let bound = expected * (Bound.exponential + (maximum - column[row]) * Bound.rounding)
                comparison.add(value, expected, bound: bound, "row \(row), lane \(lane)")
                sum += expected
                error += bound + expected * Double(shape.keys) * Bound.rounding
            }
            let reciprocal = sum > 0 ? 1 / sum : 0
            let bound = sum > 0 ? reciprocal * (error / sum + 4 * Bound.rounding) : 0
            comparison.add(inverse[lane], reciprocal, bound: bound, "sum of lane \(lane)")
        }
        comparison.check()
    }

    @Test("scores far below the largest count nothing, -infinity too", arguments: KernelLevel.available)
    func far(level: KernelLevel) {
        var scores = [Float](repeating: -.infinity, count: 4 * 16)
        for lane in 0..<16 { scores[16 + lane] = 1000 }
        for lane in 0..<16 { scores[32 + lane] = 912 }
        var inverse = [Float](repeating: .nan, count: 16)
        nibble_attention_softmax(&scores, 4, 16, 0, 3, 0, &inverse, level.number)
        for lane in 0..<16 {
            #expect((0..<4).map { scores[$0 * 16 + lane] } == [0, 1, 0, 0])
            #expect(inverse[lane] == 1)
        }
    }

    @Test("a visible NaN or +infinity shows, a hidden one does not", arguments: KernelLevel.available)
    func special(level: KernelLevel) {
        for value in [Float.nan, .infinity, -.nan] {
            var scores = [Float](repeating: 0.5, count: 32 * 16)
            // Lane 5 is the query at position 5; the keys at 3 and 9 are before and behind it.
            scores[3 * 16 + 5] = value
            scores[9 * 16 + 6] = value
            var inverse = [Float](repeating: 0, count: 16)
            nibble_attention_softmax(&scores, 32, 16, 0, 0, 0, &inverse, level.number)
            let results = (0..<16).map { lane in
                (0..<32).reduce(Float(0)) { $0 + scores[$1 * 16 + lane] } * inverse[lane]
            }
            #expect(results[5].isNaN)
            for lane in 0..<16 where lane != 5 { #expect(abs(results[lane] - 1) < 1e-5) }
        }
    }
}
