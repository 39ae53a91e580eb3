import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Spreading weights of an unknown grid")
struct SpreadTests {
    /// Blocks on grids of different steps, one of equal values, one of any values, and a last one that is not full.
    private static let weights: [Float] = {
        var random = SeededGenerator(seed: 8)
        var weights: [Float] = []
        for step: Float in [0.01, 1, 0x1p-20] {
            weights += (0..<32).map { _ in Float(Int(random.next() % 16)) * step - 8 * step }
        }
        weights += [Float](repeating: 0.25, count: 32) + random.normal(32)
        return weights + (0..<7).map { Float($0) }
    }()

    private func spread(_ weights: [Float], seed: UInt64 = 1, first: Int = 0) -> [Float] {
        var weights = weights
        var span = weights.mutableSpan
        Dither(seed: seed).spread(&span, firstElement: UInt64(first), stream: Dither.stream(of: "w"))
        return weights
    }

    @Test("moves each by at most half the smallest gap of its block, and most of them")
    func gap() {
        let weights = Self.weights
        let moved = spread(weights)
        for start in stride(from: 0, to: weights.count, by: 32) {
            let block = start..<min(start + 32, weights.count)
            let sorted = weights[block].sorted()
            let gap = zip(sorted, sorted.dropFirst()).filter { $0 < $1 }.map { $1 - $0 }.min() ?? 0
            for index in block {
                // The sum is rounded to the weight's precision.
                #expect(
                    abs(moved[index] - weights[index]) <= gap / 2 + weights[index].ulp, "element \(index)")
            }
            let isConstant = gap == 0
            #expect((moved[block] == weights[block]) == isConstant)
            if !isConstant, start < 96 {
                // A grid: evenly to both sides, and to the ends.
                let shifts = block.map { (moved[$0] - weights[$0]) / gap }
                #expect((shifts.min() ?? 0) < -0.3 && (shifts.max() ?? 0) > 0.3)
            }
        }
    }

    @Test("gives the same weights in any pieces of whole blocks")
    func pieces() {
        let weights = Self.weights
        let whole = spread(weights)
        for size in [32, 64, 96] {
            let pieces = stride(from: 0, to: weights.count, by: size).flatMap { start in
                spread(Array(weights[start..<min(start + size, weights.count)]), first: start)
            }
            #expect(pieces == whole, "pieces of \(size)")
        }
        #expect(spread(weights, seed: 2) != whole)
    }
}
