import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleCalibration

@Suite("Coordinate descent of codes")
struct CoordinateDescentTests {
    private static let (rows, columns) = (6, 96)

    /// Σ x xᵀ of features that go together, `[columns][columns]`.
    private static func randomHessian(_ random: inout SeededGenerator) -> [Double] {
        var sums = [Double](repeating: 0, count: columns * columns)
        for _ in 0..<300 {
            let common = random.normal()
            let x = (0..<columns).map { Double(random.normal() + common * Float($0 % 3)) }
            for i in 0..<columns {
                for j in 0..<columns { sums[i * columns + j] += x[i] * x[j] / 300 }
            }
        }
        return sums
    }

    /// e A eᵀ of a row.
    private static func error(_ e: [Double], _ a: [Double]) -> Double {
        var total = 0.0
        for i in 0..<columns {
            var sum = 0.0
            for j in 0..<columns { sum += a[i * columns + j] * e[j] }
            total += e[i] * sum
        }
        return total
    }

    private struct Rounded {
        var weights: [Float], values: [Float], scales: [Float]
        /// Decoded less original weights of a row.
        func errors(_ row: Int) -> [Double] {
            (row * columns..<(row + 1) * columns).map { Double(values[$0]) - Double(weights[$0]) }
        }
    }

    /// Rounded to nearest, with the codec's scales as portable ones.
    private static func nearest(_ blocks: ScaledBlocks, _ random: inout SeededGenerator) -> Rounded {
        let weights = random.normal(rows * columns, scale: 0.05)
        var scales = [Float](repeating: 0, count: weights.count / 32)
        var span = scales.mutableSpan
        blocks.chooseScales(weights.span, into: &span)
        scales = scales.map(ScaledBlocks.portable)
        let values = weights.indices.map {
            Float(blocks.code(of: weights[$0], scale: scales[$0 / 32])) * scales[$0 / 32]
        }
        return Rounded(weights: weights, values: values, scales: scales)
    }

    /// Rows rounded to nearest, and the hessian of their inputs.
    private static func start(_ type: GGMLType, seed: UInt64) throws -> (ScaledBlocks, [Double], Rounded) {
        let blocks = try #require(ScaledBlocks(type))
        var random = SeededGenerator(seed: seed)
        let a = randomHessian(&random)
        return (blocks, a, nearest(blocks, &random))
    }

    private static func refine(_ rounded: inout Rounded, _ blocks: ScaledBlocks, _ a: [Double]) throws {
        let memory = Memory(byteCount: 4 * columns * columns)
        for (index, value) in a.enumerated() { memory.floats[index] = Float(value) }
        let hessian = FloatPanels(
            taking: memory, rows: columns, columns: columns, compute: Compute(threads: 1))
        let errors = (0..<rows).flatMap { rounded.errors($0).map { Float($0) } }
        let descent = CoordinateDescent(
            hessian: hessian, columns: columns, damping: 0,
            grid: try #require(WeightGrid(.ggml(blocks.type), columns: columns)), level: .best)
        rounded.values.withUnsafeMutableBufferPointer { values in
            rounded.scales.withUnsafeMutableBufferPointer { scales in
                errors.withUnsafeBufferPointer { errors in
                    guard let e = errors.baseAddress, let v = values.baseAddress, let s = scales.baseAddress
                    else { return }
                    descent.descend(rows: rows, errors: e, values: v, records: s)
                }
            }
        }
    }

    @Test(
        "lowers the error of every row, all together by far where there are few codes",
        arguments: ScaledBlocks.types)
    func lowers(type: GGMLType) throws {
        let (blocks, a, nearest) = try Self.start(type, seed: 12)
        var rounded = nearest
        let before = (0..<Self.rows).map { Self.error(rounded.errors($0), a) }
        try Self.refine(&rounded, blocks, a)
        let after = (0..<Self.rows).map { Self.error(rounded.errors($0), a) }
        for (old, new) in zip(before, after) { #expect(new < old) }
        // 255 codes leave next to nothing to choose.
        let (sum, all) = (after.reduce(0, +), before.reduce(0, +))
        #expect(sum < all * (type == .q8_0 ? 1 : 0.8), "\(all) to \(sum)")
    }

    @Test(
        "ends where no other code of one weight is better, and keeps an extreme in each block",
        arguments: ScaledBlocks.types)
    func optimum(type: GGMLType) throws {
        let (blocks, a, nearest) = try Self.start(type, seed: 13)
        var rounded = nearest
        for _ in 0..<30 { try Self.refine(&rounded, blocks, a) }
        let lowest = Float(blocks.codes.lowerBound), highest = Float(blocks.codes.upperBound)
        for row in 0..<Self.rows {
            let errors = rounded.errors(row)
            let least = Self.error(errors, a)
            for column in 0..<Self.columns {
                let place = row * Self.columns + column
                let scale = rounded.scales[place / 32]
                let code = (rounded.values[place] / scale).rounded()
                #expect(abs(rounded.values[place] / scale - code) < 1e-4)
                for other in [code - 1, code + 1] where (lowest...highest).contains(other) {
                    var changed = errors
                    changed[column] += Double((other - code) * scale)
                    // Of weights that hold their block's extreme nothing is claimed.
                    if code == lowest || type == .q8_0 && code == highest { continue }
                    #expect(Self.error(changed, a) > least * (1 - 1e-4), "row \(row), column \(column)")
                }
            }
            for block in 0..<Self.columns / 32 {
                let start = row * Self.columns + block * 32
                let codes = (start..<start + 32).map {
                    (rounded.values[$0] / rounded.scales[$0 / 32]).rounded()
                }
                #expect(codes.contains(lowest) || type == .q8_0 && codes.contains(highest))
            }
        }
    }
}
