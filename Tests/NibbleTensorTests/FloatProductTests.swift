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

    /// (rows of a, rows of the matrix in panels, its columns; the part of it that is taken)
    private static let parts = [
        (1, 1, 32, 0..<1, 0..<32), (130, 300, 96, 0..<300, 32..<96), (7, 600, 64, 250..<530, 0..<64),
        (200, 513, 32, 512..<513, 0..<32),
    ]

    @Test(
        "with a part of a matrix in panels have the bits of those with its rows",
        arguments: KernelLevel.available)
    func panels(level: KernelLevel) {
        var random = SeededGenerator(seed: 7)
        let compute = Compute(threads: 2)
        for (rows, height, width, terms, columns) in Self.parts {
            let whole = random.normal(height * width)
            let left = random.normal(rows * terms.count)
            let memory = Memory(byteCount: 4 * height * width)
            memory.floats.update(from: whole, count: height * width)
            let panels = FloatPanels(taking: memory, rows: height, columns: width, compute: compute)
            for row in 0..<height {
                for column in 0..<width {
                    #expect(panels.place(row: row, column: column).pointee == whole[row * width + column])
                }
            }
            // Sums go on from one block of 256 rows to the next.
            var expected = random.normal(rows * columns.count)
            var found = expected
            var start = terms.lowerBound
            while start < terms.upperBound {
                let end = min(terms.upperBound, (start / 256 + 1) * 256)
                whole.withUnsafeBufferPointer { whole in
                    left.withUnsafeBufferPointer { left in
                        guard let whole = whole.baseAddress, let left = left.baseAddress else { return }
                        Compute.addProduct(
                            left + start - terms.lowerBound, stride: terms.count,
                            whole + start * width + columns.lowerBound, stride: width, into: &expected,
                            stride: columns.count, rows: rows, columns: columns.count, depth: end - start,
                            level: level)
                    }
                }
                start = end
            }
            Compute.addProduct(
                left, stride: terms.count, panels, row: terms.lowerBound, column: columns.lowerBound,
                into: &found, stride: columns.count, rows: rows, columns: columns.count, depth: terms.count,
                level: level)
            #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(terms) of \(height)")
        }
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
        for (rows, size) in [(1, 32), (3, 128), (7, 416)] {
            // What is on and below the diagonal is not read.
            let memory = Memory(byteCount: 4 * size * size)
            var factor = [Float](repeating: .nan, count: size * size)
            for row in 0..<size {
                for column in row + 1..<max(size, row + 1) {
                    factor[row * size + column] = random.normal() / Float(size)
                }
            }
            memory.floats.update(from: factor, count: size * size)
            let panels = FloatPanels(
                taking: memory, rows: size, columns: size, compute: Compute(threads: 2))
            let right = random.normal(rows * size)
            for isTransposed in [false, true] {
                var x = right
                Compute.divideByUnitUpper(
                    &x, rows: rows, panels, size: size, isTransposed: isTransposed, level: level)
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
