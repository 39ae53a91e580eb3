import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration

@Suite("Rounding by YAQA")
struct YAQARoundingTests {
    private static let compute = Compute(threads: 2, precision: .f32)
    private static func matrix(rows: Int) throws -> CalibratedMatrix {
        let columns = 32
        let matrix = CalibratedMatrix(
            role: TensorRole(.feedForwardDown, layer: 0), name: "m", source: ("weights", "m"),
            rows: rows, grid: try #require(WeightGrid(.ggml(.q4_0), columns: columns)), advice: "")
        var generator = SeededGenerator(seed: 3)
        for index in 0..<rows * columns {
            matrix.weights.floats[index] = Float.random(in: -4...4, using: &generator)
        }
        return matrix
    }

    /// Σ over some directions of d dᵀ, and a little of all.
    private static func hessian(rows: Int, directions: Int) -> Memory {
        let hessian = Memory(byteCount: rows * rows * 4)
        var generator = SeededGenerator(seed: 8)
        for _ in 0..<directions {
            let d = (0..<rows).map { _ in Float.random(in: -1...1, using: &generator) }
            for row in 0..<rows {
                for column in 0..<rows { hessian.floats[row * rows + column] += d[row] * d[column] }
            }
        }
        return hessian
    }

    private static func roundToWhole(_ matrix: CalibratedMatrix, _ rows: Range<Int>) {
        for index in rows.lowerBound * matrix.columns..<rows.upperBound * matrix.columns {
            matrix.weights.floats[index] = matrix.weights.floats[index].rounded()
        }
    }

    /// tr(G E Eᵀ)
    private static func cost(_ matrix: CalibratedMatrix, _ weights: [Float], _ hessian: Memory) -> Double {
        let (rows, columns) = (matrix.rows, matrix.columns)
        let errors = zip(weights, matrix.values(0..<rows)).map { Double($0 - $1) }
        var sum = 0.0
        for row in 0..<rows {
            for other in 0..<rows {
                let g = Double(hessian.floats[row * rows + other])
                for column in 0..<columns {
                    sum += g * errors[row * columns + column] * errors[other * columns + column]
                }
            }
        }
        return sum
    }

    @Test("takes each row once, the largest gradients first", arguments: [16, 40, 64, 100])
    func pieces(rows: Int) throws {
        let hessian = Self.hessian(rows: rows, directions: 5)
        let yaqa = try YAQARounding(hessian, rows: 0..<rows, compute: Self.compute)
        #expect(yaqa.pieces.flatMap { $0 }.sorted() == Array(0..<rows))
        let squares = yaqa.pieces.map { piece in
            piece.reduce(Float(0)) { $0 + hessian.floats[$1 * rows + $1] } / Float(piece.count)
        }
        #expect(squares == squares.sorted(by: >))
        var seen: [Range<Int>] = []
        try yaqa.round(Self.matrix(rows: rows)) { seen.append($0) }
        #expect(seen == yaqa.pieces)
    }

    @Test("costs far less where few directions matter", arguments: [64, 100])
    func coupled(rows: Int) throws {
        let hessian = Self.hessian(rows: rows, directions: 6)
        let (alone, coupled) = (try Self.matrix(rows: rows), try Self.matrix(rows: rows))
        let weights = Array(alone.values(0..<rows))
        Self.roundToWhole(alone, 0..<rows)
        let yaqa = try YAQARounding(hessian, rows: 0..<rows, compute: Self.compute)
        try yaqa.round(coupled) { Self.roundToWhole(coupled, $0) }
        let costs = (Self.cost(alone, weights, hessian), Self.cost(coupled, weights, hessian))
        #expect(costs.1 < 0.5 * costs.0, "\(costs)")
        #expect(zip(coupled.values(0..<rows), weights).allSatisfy { abs($0 - $1) < 4 })
    }

    /// Rows of one piece that errors before it leave to make up for: with those of the last piece free, nothing is left of
    /// one direction.
    @Test("leaves nothing where the last rows are not rounded")
    func free() throws {
        let rows = 48
        let hessian = Self.hessian(rows: rows, directions: 1)
        let matrix = try Self.matrix(rows: rows)
        let weights = Array(matrix.values(0..<rows))
        let yaqa = try YAQARounding(hessian, rows: 0..<rows, compute: Self.compute)
        let last = try #require(yaqa.pieces.last)
        try yaqa.round(matrix) { if $0 != last { Self.roundToWhole(matrix, $0) } }
        let nearest = try Self.matrix(rows: rows)
        Self.roundToWhole(nearest, 0..<rows)
        // But for what damping leaves.
        let costs = (Self.cost(nearest, weights, hessian), Self.cost(matrix, weights, hessian))
        #expect(costs.1 < 0.02 * costs.0, "\(costs)")
    }

    @Test("changes nothing where rows have nothing to do with each other")
    func independent() throws {
        let rows = 40
        let hessian = Memory(byteCount: rows * rows * 4)
        for row in 0..<rows { hessian.floats[row * rows + row] = Float(1 + row % 5) }
        let (alone, coupled) = (try Self.matrix(rows: rows), try Self.matrix(rows: rows))
        Self.roundToWhole(alone, 0..<rows)
        try YAQARounding(hessian, rows: 0..<rows, compute: Self.compute).round(coupled) {
            Self.roundToWhole(coupled, $0)
        }
        #expect(alone.values(0..<rows).elementsEqual(coupled.values(0..<rows)))
    }

    @Test("of nothing, and of NaN, is none, and says so")
    func nothing() throws {
        let hessian = Memory(byteCount: 32 * 32 * 4)
        #expect(throws: HessianFailure.zero) {
            try YAQARounding(hessian, rows: 0..<32, compute: Self.compute)
        }
        hessian.floats[0] = 1
        _ = try YAQARounding(hessian, rows: 0..<32, compute: Self.compute)
        (hessian.floats[1], hessian.floats[32]) = (2, 2)
        #expect(throws: HessianFailure.indefinite) {
            try YAQARounding(hessian, rows: 0..<32, compute: Self.compute)
        }
        hessian.floats[5] = .nan
        #expect(throws: HessianFailure.notFinite) {
            try YAQARounding(hessian, rows: 0..<32, compute: Self.compute)
        }
    }
}
