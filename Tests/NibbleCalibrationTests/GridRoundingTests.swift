import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration

@Suite("Rounding for every format")
struct GridRoundingTests {
    private static let compute = Compute(threads: 2, precision: .f32)
    private static let (rows, columns) = (8, 512)
    private static let formats: [WeightFormat] =
        GGMLType.allCases.map { .ggml($0) }.filter(\.hasGrid)
        + [.int4(group: nil), .int4(group: 32), .int4(group: 64), .int4(group: 128)]

    /// Σ x xᵀ of features that go together.
    private static func hessian() -> Memory {
        var random = SeededGenerator(seed: 12)
        let memory = Memory(byteCount: 4 * columns * columns)
        for _ in 0..<700 {
            let common = (0..<8).map { _ in random.normal() }
            let x = (0..<columns).map {
                (random.normal() + common[$0 % 8] + common[$0 / 64]) * (1 + Float($0 % 5))
            }
            for row in 0..<columns {
                let (value, target) = (x[row] / 700, memory.floats + row * columns)
                for column in 0..<columns { target[column] += value * x[column] }
            }
        }
        return memory
    }

    private static func matrix(_ format: WeightFormat, scale: Float = 0.05) throws -> CalibratedMatrix {
        let matrix = CalibratedMatrix(
            role: TensorRole(.feedForwardDown, layer: 0), name: "m", source: ("weights", "m"), rows: rows,
            grid: try #require(WeightGrid(format, columns: columns)), advice: "")
        var random = SeededGenerator(seed: 3)
        // Of some blocks all weights are above zero.
        for index in 0..<rows * columns {
            matrix.weights.floats[index] = (random.normal() + (index / 32 % 5 == 0 ? 4 : 0)) * scale
        }
        return matrix
    }

    private static func decoded(_ matrix: CalibratedMatrix) throws -> [Float] {
        var values = [Float](repeating: 0, count: rows * columns)
        var span = values.mutableSpan
        try #require(matrix.grid.format.codec).decode(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(matrix.blocks.bytes)), columns: columns, into: &span)
        return values
    }

    /// Σ over rows of e A eᵀ.
    private static func error(_ values: [Float], _ weights: [Float], _ a: [Float]) -> Double {
        (0..<rows).reduce(0) { sum, row in
            let e = (0..<columns).map { values[row * columns + $0] - weights[row * columns + $0] }
            return sum
                + (0..<columns).reduce(0.0) { sum, i in
                    var own: Float = 0
                    for j in 0..<columns { own += a[i * columns + j] * e[j] }
                    return sum + Double(e[i] * own)
                }
        }
    }

    /// Errors of weights rounded to nearest, by GPTQ, and by GPTQ and coordinate descent.
    private static func errors(_ format: WeightFormat, scale: Float = 0.05) throws -> [Double] {
        let memory = hessian()
        let a = (0..<columns * columns).map { memory.floats[$0] }
        let all = 0..<rows
        let nearest = try matrix(format, scale: scale)
        let weights = Array(nearest.values(all))
        try nearest.roundToNearest(all, level: .best)
        var errors = [error(try decoded(nearest), weights, a)]
        let grid = nearest.grid
        let rounding = try GPTQRounding(
            memory, columns: columns, blockSizes: [grid.blockSize], compute: compute)
        #expect(rounding.order.sorted() == Array(0..<columns))
        for methods in ["gptq+importance", "gptq+importance+coordinate_descent"] {
            let found = try matrix(format, scale: scale)
            try rounding.round(all, of: found, CalibrationOptions(methods: methods), level: .best)
            let values = Array(found.values(all))
            try found.encode(all, level: .best)
            // What the weights became is what the bytes hold.
            #expect(try decoded(found) == values, "\(format)")
            errors.append(error(values, weights, a))
        }
        return errors
    }

    @Test("lowers the error of the outputs by far, descent lowers it further", arguments: formats)
    func lowers(format: WeightFormat) throws {
        let errors = try Self.errors(format)
        #expect(errors[1] < 0.7 * errors[0], "\(errors)")
        #expect(errors[2] < errors[1], "\(errors)")
    }

    @Test("of weights that are nearly nothing gives numbers", arguments: formats)
    func tiny(format: WeightFormat) throws {
        for scale: Float in [0, 1e-12, 1e-20, 1e-38] {
            for error in try Self.errors(format, scale: scale) { #expect(error.isFinite, "\(scale)") }
        }
    }

    /// Columns of one block stand together, of any of the sizes.
    @Test(
        "takes blocks whole, of several sizes at once",
        arguments: [[32], [256], [64, 128], [32, 256], [512]])
    func order(sizes: [Int]) throws {
        let rounding = try GPTQRounding(
            Self.hessian(), columns: Self.columns, blockSizes: Set(sizes), compute: Self.compute)
        for size in sizes {
            for first in stride(from: 0, to: Self.columns, by: size) {
                let block = rounding.order[first..<first + size]
                #expect(Set(block.map { $0 / size }).count == 1)
            }
        }
    }

    @Test("does the same for a matrix beside others of larger blocks", arguments: [WeightFormat.ggml(.q5_0)])
    func mixed(format: WeightFormat) throws {
        let rounding = try GPTQRounding(
            Self.hessian(), columns: Self.columns, blockSizes: [32, 256], compute: Self.compute)
        let found = try Self.matrix(format)
        let weights = Array(found.values(0..<Self.rows))
        let memory = Self.hessian()
        let a = (0..<Self.columns * Self.columns).map { memory.floats[$0] }
        let nearest = try Self.matrix(format)
        try nearest.roundToNearest(0..<Self.rows, level: .best)
        try rounding.round(0..<Self.rows, of: found, CalibrationOptions(), level: .best)
        let values = Array(found.values(0..<Self.rows))
        #expect(
            try Self.error(values, weights, a) < 0.7 * Self.error(Self.decoded(nearest), weights, a))
    }

    @Test("gives YAQA what weights are decoded to, without descent too")
    func feedback() throws {
        let rounding = try GPTQRounding(
            Self.hessian(), columns: Self.columns, blockSizes: [32], compute: Self.compute)
        let found = try Self.matrix(.ggml(.q4_0))
        try rounding.round(0..<Self.rows, of: found, CalibrationOptions(methods: "gptq"), level: .best)
        let values = Array(found.values(0..<Self.rows))
        try found.encode(0..<Self.rows, level: .best)
        #expect(try Self.decoded(found) == values)
    }
}
