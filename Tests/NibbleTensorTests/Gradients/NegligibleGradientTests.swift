import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Gradients of logits that are nearly nothing")
struct NegligibleGradientTests {
    @Test(
        "Rows with a value that is not below its threshold are found, NaN among them",
        arguments: KernelLevel.available)
    func rows(level: KernelLevel) {
        let (rows, width) = (7, 32)
        var x = [Float](repeating: 0.5, count: rows * width)
        var thresholds = [Float](repeating: 1, count: width)
        thresholds[31] = .infinity
        x[2 * width + 17] = -1
        x[3 * width + 31] = 1e30
        x[5 * width] = .nan
        x[6 * width + 3] = 0.999
        var indices = [UInt32](repeating: .max, count: rows)
        let count = nibble_significant_rows(x, rows, width, thresholds, &indices, level.number)
        #expect(Array(indices[..<count]) == [2, 5])
        #expect(
            nibble_significant_rows(
                x, rows, width, [Float](repeating: 0, count: width), &indices, level.number) == rows)
    }

    @Test("A base and its cross term in one walk have the bits of two", arguments: KernelLevel.available)
    func base(level: KernelLevel) {
        let (tokens, width) = (48, 32)
        var random = SeededGenerator(seed: 3)
        var found = Sums(width: width)
        var expected = Sums(width: width)
        for slice in 0..<3 {
            var base = random.normal(tokens * width, scale: 20)
            let other = random.normal(tokens * width, scale: 20)
            if slice == 1 { base[5] = -.infinity }
            let first = Int32(slice * tokens)
            found.with { sums, cross in
                #expect(nibble_add_base(base, other, tokens, width, first, sums, cross, level.number) == 0)
            }
            expected.with { sums, cross in
                nibble_add_cross(base, other, tokens, width, sums.maximum, cross, level.number)
                #expect(nibble_add_logits(base, tokens, width, first, sums, level.number) == 0)
            }
        }
        #expect(found == expected)
        let invalid = [Float](repeating: .infinity, count: tokens * width)
        found.with { sums, cross in
            #expect(nibble_add_base(invalid, invalid, tokens, width, 0, sums, cross, level.number) == 1)
        }
    }

    private struct Sums: Equatable {
        var maximum: [Float]
        var sum: [Double]
        var argmax: [Int32]
        var cross: [Double]

        init(width: Int) {
            maximum = [Float](repeating: -.infinity, count: width)
            sum = [Double](repeating: 0, count: width)
            argmax = [Int32](repeating: 0, count: width)
            cross = [Double](repeating: 0, count: width)
        }

        mutating func with(_ body: (nibble_softmax_sums, UnsafeMutablePointer<Double>) -> Void) {
            maximum.withUnsafeMutableBufferPointer { maximum in
                sum.withUnsafeMutableBufferPointer { sum in
                    argmax.withUnsafeMutableBufferPointer { argmax in
                        cross.withUnsafeMutableBufferPointer { cross in
                            guard let cross = cross.baseAddress else { return }
                            body(
                                nibble_softmax_sums(
                                    maximum: maximum.baseAddress, sum: sum.baseAddress,
                                    argmax: argmax.baseAddress), cross)
                        }
                    }
                }
            }
        }
    }

    /// What is left out is below a millionth for each of 3,000 rows, of tokens whose probabilities are far apart: less than
    /// 3e-3 of gradients of about 1 even if all had one sign.
    static let bound: Float = 3e-3

    @Test(
        "left out change the gradient of the states by less than what is left out",
        arguments: Precision.supported)
    func states(precision: Precision) throws {
        let (tokens, features, vocabulary) = (70, 48, 3000)
        let compute = Compute(threads: 2, precision: precision)
        var random = SeededGenerator(seed: 9)
        let student = compute.tensor([(0..<tokens).map { _ in random.normal(features) }], padding: 3)
        let teacher = compute.tensor([(0..<tokens).map { _ in random.normal(features) }], padding: 3)
        let heads = try [1, 2].map { _ in
            try Weights(rows: (0..<vocabulary).map { _ in random.normal(features, scale: 0.8) })
        }
        var results: [[[Float]]] = []
        for negligible in [0, 1e-6] as [Float] {
            var loss = DistillationLoss()
            loss.negligible = negligible
            compute.poison()
            let (_, gradient) = try #require(
                compute.distill(
                    student, head: heads[0].matrix, teacher: .live(states: teacher, head: heads[1].matrix),
                    softcap: nil, targets: [Int32](repeating: 0, count: tokens), loss: loss,
                    gradients: Gradients(compute: compute)))
            results.append(gradient.batch[0])
        }
        let largest = results[0].joined().reduce(Float(0)) { max($0, abs($1)) }
        let worst = zip(results[0].joined(), results[1].joined()).reduce(Float(0)) {
            max($0, abs($1.0 - $1.1))
        }
        #expect(largest > 0)
        #expect(worst > 0, "nothing was left out")
        #expect(worst <= Self.bound * largest)
    }
}
