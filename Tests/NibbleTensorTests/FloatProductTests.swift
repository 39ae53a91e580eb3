import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleTensor

@Suite("F32 products of matrices")
struct FloatProductTests {
    /// Shapes around the sizes that are copied together: 96 rows, 256 terms, 512 columns in panels of 32.
    private static let shapes = [
        (1, 1, 1), (3, 31, 7), (12, 32, 256), (13, 33, 257), (97, 64, 40), (5, 513, 300), (200, 48, 5),
        (100, 545, 520),
    ]

    @Test(
        "are sums of products, added, whatever lies between rows and whichever is transposed",
        arguments: KernelLevel.available)
    func layouts(level: KernelLevel) throws {
        var random = SeededGenerator(seed: 5)
        var comparison = Comparison()
        for (rows, columns, depth) in Self.shapes {
            let left = random.normal(rows * depth)
            let right = random.normal(depth * columns)
            let start = random.normal(rows * columns)
            for (isLeft, isRight) in [(false, false), (true, false), (false, true)] {
                // NaN lies between rows.
                let (a, aStride) = Self.spread(left, rows: rows, columns: depth, transposed: isLeft)
                let (b, bStride) = Self.spread(right, rows: depth, columns: columns, transposed: isRight)
                var y = Self.spread(start, rows: rows, columns: columns, transposed: false).values
                let stride = columns + 3
                try a.withUnsafeBufferPointer { a in
                    try b.withUnsafeBufferPointer { b in
                        let (a, b) = try (#require(a.baseAddress), #require(b.baseAddress))
                        FloatProduct(
                            a: isLeft ? .transposed(a, stride: aStride) : .rows(a, stride: aStride),
                            b: isRight ? .transposed(b, stride: bStride) : .rows(b, stride: bStride),
                            factor: -0.5, rows: rows, columns: columns, depth: depth
                        ).add(to: &y, stride: stride, level: level.number)
                    }
                }
                for row in 0..<rows {
                    for column in 0..<columns {
                        var (sum, magnitude) = (Double(start[row * columns + column]), 0.0)
                        magnitude = abs(sum)
                        for term in 0..<depth {
                            let one =
                                -0.5 * Double(left[row * depth + term])
                                * Double(right[term * columns + column])
                            sum += one
                            magnitude += abs(one)
                        }
                        comparison.add(
                            y[row * stride + column], sum,
                            bound: Bound.sum(terms: depth + 1, magnitude: magnitude),
                            "\(rows) x \(columns) x \(depth), row \(row), column \(column)")
                    }
                    #expect(y[row * stride + columns..<(row + 1) * stride].allSatisfy { $0.isNaN })
                }
            }
        }
        comparison.check()
    }

    /// A matrix with three NaN behind each row, or behind each column of it where it is transposed.
    private static func spread(
        _ values: [Float], rows: Int, columns: Int, transposed: Bool
    ) -> (values: [Float], stride: Int) {
        let stride = (transposed ? rows : columns) + 3
        var result = [Float](repeating: .nan, count: (transposed ? columns : rows) * stride)
        for row in 0..<rows {
            for column in 0..<columns {
                result[transposed ? column * stride + row : row * stride + column] =
                    values[row * columns + column]
            }
        }
        return (result, stride)
    }

    @Test(
        "Solutions by a triangular factor give the right-hand sides again", arguments: KernelLevel.available)
    func solutions(level: KernelLevel) {
        var random = SeededGenerator(seed: 6)
        for (rows, size) in [(1, 1), (3, 128), (7, 300)] {
            // What is on and below the diagonal is not read.
            var factor = [Float](repeating: .nan, count: size * size)
            for row in 0..<size {
                for column in row + 1..<max(size, row + 1) {
                    factor[row * size + column] = random.normal() / Float(size)
                }
            }
            let right = random.normal(rows * size)
            for isTransposed in [false, true] {
                var x = right
                Compute.divideByUnitUpper(
                    &x, rows: rows, factor, size: size, isTransposed: isTransposed, level: level)
                for row in 0..<rows {
                    for column in 0..<size {
                        var sum = Double(x[row * size + column])
                        for other in 0..<size where isTransposed ? other > column : other < column {
                            let entry = factor[isTransposed ? column * size + other : other * size + column]
                            sum += Double(x[row * size + other]) * Double(entry)
                        }
                        #expect(abs(sum - Double(right[row * size + column])) < 1e-4)
                    }
                }
            }
        }
    }
}
