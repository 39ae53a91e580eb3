import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("AdamW and the norm of gradients")
struct OptimizerTests {
    /// Without units (0), with one for each weight, and with one for many.
    @Test(
        "a step is the formula's, for every remainder of a vector", arguments: KernelLevel.available,
        [0, 1, 16, 32])
    func step(level: KernelLevel, width: Int) {
        var comparison = Comparison()
        for count in [1, 15, 16, 17, 31, 100] {
            var random = SeededGenerator(seed: UInt64(count))
            let (p, g, m) = (random.normal(count), random.normal(count), random.normal(count, scale: 0.1))
            var v = random.normal(count).map { $0 * $0 * 0.01 }
            // A weight that no gradient has reached yet.
            v[0] = 0
            var (weights, first, second) = (p + [7], m + [7], v + [7])
            var c = nibble_adamw(
                rate: 1e-2, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1, correction1: 0.19,
                root2: 0.2, scale: 0.5)
            let units = width == 0 ? nil : random.normal((count + width - 1) / width, scale: 3)
            if let units {
                nibble_adamw_step(&weights, g, &first, &second, units, width, count, &c, level.number)
            } else {
                nibble_adamw_step(&weights, g, &first, &second, nil, 1, count, &c, level.number)
            }
            #expect(weights[count] == 7 && first[count] == 7 && second[count] == 7)
            for index in 0..<count {
                let gradient = Double(g[index]) * Double(c.scale)
                let (beta1, beta2) = (Double(c.beta1), Double(c.beta2))
                let (kept, added) = (beta1 * Double(m[index]), (1 - beta1) * gradient)
                let mean = kept + added
                let square = beta2 * Double(v[index]) + (1 - beta2) * gradient * gradient
                let meanBound = 4 * Bound.rounding * (abs(kept) + abs(added))
                comparison.add(first[index], mean, bound: meanBound, "m")
                comparison.add(second[index], square, bound: 6 * Bound.rounding * square, "v")
                let root = square.squareRoot() / Double(c.root2) + Double(c.epsilon)
                let unit = units.map { Double($0[index / width].magnitude) } ?? 1
                let rate = unit * Double(c.rate) / Double(c.correction1)
                let decay = units == nil ? Double(c.rate) * Double(c.decay) : 0
                let start = Double(p[index]) * (1 - decay)
                comparison.add(
                    weights[index], start - rate * mean / root,
                    bound: 4 * Bound.rounding * abs(start) + rate / root
                        * (meanBound + 12 * Bound.rounding * abs(mean)), "p")
            }
        }
        comparison.check()
    }

    @Test("sums of squares are in Double", arguments: KernelLevel.available)
    func sumOfSquares(level: KernelLevel) {
        var comparison = Comparison()
        for count in [0, 1, 15, 16, 17, 1000] {
            var random = SeededGenerator(seed: UInt64(count))
            // Squares beyond the range of Float.
            let x = random.normal(count).enumerated().map { $0 % 3 == 0 ? $1 * 1e25 : $1 * 1e-25 }
            let expected = x.reduce(0.0) { $0 + Double($1) * Double($1) }
            comparison.add(
                nibble_sum_squares(x, count, level.number), expected,
                bound: Double(2 * count + 1) * 0x1p-53 * expected, "\(count) values")
        }
        comparison.check()
    }

    @Test("the norm of gradients has the same bits on one thread and on two, and skips what nothing reached")
    func gradients() throws {
        var random = SeededGenerator(seed: 5)
        // More than one piece.
        let values = random.normal((1 << 18) + 77)
        let long = Parameter(name: "long", count: values.count)
        let short = Parameter(name: "short", count: 3)
        let other = Parameter(name: "other", count: 5)
        var sums: [Double] = []
        for threads in [1, 2] {
            let compute = Compute(threads: threads, precision: .f32)
            let gradients = Gradients(compute: compute)
            for parameter in [long, short] {
                let (target, accumulates) = gradients.target(parameter)
                #expect(!accumulates)
                for index in 0..<parameter.count { target[index] = values[index] }
            }
            sums.append(gradients.sumOfSquares([long, short, other]))
            #expect(gradients[other] == nil)
            gradients.reset()
            #expect(gradients[long] == nil && gradients.sumOfSquares([long, short]) == 0)
            #expect(!gradients.target(long).accumulates)
            #expect(gradients.target(long).accumulates)
        }
        #expect(sums[0].bitPattern == sums[1].bitPattern)
        let squares = values + values[..<3]
        let expected = squares.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(sums[0] - expected) <= Double(squares.count) * 0x1p-53 * expected)
    }
}
