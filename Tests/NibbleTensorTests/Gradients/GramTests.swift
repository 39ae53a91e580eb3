import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Products of pairs of features")
struct GramTests {
    private static let compute = Compute(threads: 2, precision: .f32)

    private static func gram(_ batch: [[[Float]]], threads: Int, _ precision: Precision) -> [Float] {
        let compute = Compute(threads: threads, precision: precision)
        let x = compute.tensor(batch)
        var target = [Float](repeating: 1, count: x.features * x.features)
        target.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress else { return }
            compute.addGram(of: x, to: start)
            compute.completeGram(start, size: x.features)
        }
        return target
    }

    /// Of 45 tokens the last panel is not full.
    @Test(
        "are sums over the tokens, added to what was there", arguments: Precision.supported,
        [(32, 64), (40, 64), (96, 45), (5, 3)])
    func sums(precision: Precision, size: (features: Int, length: Int)) {
        let features = size.features
        let batch = randomBatch(sequences: 2, length: size.length, features: features, seed: 8)
        let found = Self.gram(batch, threads: 2, precision)
        let tokens = batch.flatMap { $0 }
        // BF16 rounds both factors, by up to 2⁻⁸ each.
        let relative = precision == .f32 ? 1e-6 : 0x1.02p-7
        for row in 0..<features {
            for column in 0..<features {
                let terms = tokens.map { Double($0[row]) * Double($0[column]) }
                let magnitude = terms.reduce(1) { $0 + abs($1) }
                let difference = Double(found[row * features + column]) - terms.reduce(1, +)
                #expect(abs(difference) <= relative * magnitude, "\(row), \(column)")
            }
        }
        #expect(Self.gram(batch, threads: 1, precision) == found)
    }

    @Test("have an upper factor, A = R Rᵀ", arguments: [1, 2, 31, 64, 100, 300])
    func factor(size: Int) {
        var random = SeededGenerator(seed: UInt64(size))
        let x = (0..<2 * size).map { _ in random.normal(size) }
        var a = [Float](repeating: 0, count: size * size)
        for row in 0..<size {
            for column in 0..<size {
                a[row * size + column] = x.reduce(0) { $0 + $1[row] * $1[column] }
            }
        }
        var r = a
        #expect(r.withUnsafeMutableBufferPointer { Self.compute.factorUpper($0.baseAddress!, size: size) })
        let scale = Double(a.max() ?? 0)
        for row in 0..<size {
            #expect(r[row * size + row] > 0)
            for column in 0..<size {
                let product = (max(row, column)..<size).reduce(0.0) {
                    $0 + Double(r[row * size + $1]) * Double(r[column * size + $1])
                }
                #expect(abs(product - Double(a[row * size + column])) <= 1e-5 * scale, "\(row), \(column)")
            }
        }
    }

    @Test("of a matrix that is not positive definite have none")
    func indefinite() {
        var a: [Float] = [1, 2, 2, 1]
        #expect(!a.withUnsafeMutableBufferPointer { Self.compute.factorUpper($0.baseAddress!, size: 2) })
    }
}
