import CKernels
import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Elementwise kernels")
struct ElementwiseTests {
    private static let activations: [Activation] = [.silu, .geluTanh]

    private static func number(_ activation: Activation) -> Int32 {
        switch activation {
        case .geluTanh: Int32(NIBBLE_ACTIVATION_GELU_TANH)
        case .silu: Int32(NIBBLE_ACTIVATION_SILU)
        }
    }

    @Test("the norm", arguments: KernelLevel.available)
    func norm(level: KernelLevel) {
        var comparison = Comparison()
        for (features, width) in [(1, 16), (2, 32), (63, 16), (64, 48), (640, 32)] {
            for size: Float in [1, 1e-12, 1e12] {
                var random = SeededGenerator(seed: UInt64(features))
                let x = random.normal(features * width, scale: size)
                let weight = random.normal(features)
                let epsilon: Float = 1e-6
                var y = [Float](repeating: .nan, count: features * width)
                nibble_rms_norm(x, weight, epsilon, features, width, &y, level.number)
                var inPlace = x
                inPlace.withUnsafeMutableBufferPointer { values in
                    guard let start = values.baseAddress else { return }
                    nibble_rms_norm(start, weight, epsilon, features, width, start, level.number)
                }
                #expect(inPlace == y)
                for lane in 0..<width {
                    let column = (0..<features).map { Double(x[$0 * width + lane]) }
                    let mean = column.reduce(0) { $0 + $1 * $1 } / Double(features)
                    let scale = 1 / (mean + Double(epsilon)).squareRoot()
                    for feature in 0..<features {
                        let expected = column[feature] * scale * Double(weight[feature])
                        // A rounding for each of the half of the squares that a sum adds up, halved by the
                        // root, and eight for mean, epsilon, root, reciprocal and the two products.
                        let bound = (Double(features) / 4 + 8) * Bound.rounding * abs(expected)
                        comparison.add(y[feature * width + lane], expected, bound: bound)
                    }
                }
            }
        }
        comparison.check()
    }

    @Test("the norm of zeros is zero, of a token with NaN NaN", arguments: KernelLevel.available)
    func normSpecial(level: KernelLevel) {
        var x = [Float](repeating: 0, count: 5 * 16)
        x[2 * 16 + 3] = .nan
        x[2 * 16 + 4] = .infinity
        var y = [Float](repeating: 7, count: x.count)
        nibble_rms_norm(x, [1, 1, 1, 1, 1], 1e-6, 5, 16, &y, level.number)
        for feature in 0..<5 {
            #expect(y[feature * 16] == 0)
            #expect(y[feature * 16 + 3].isNaN)
        }
        // Infinity over infinity.
        #expect(y[2 * 16 + 4].isNaN)
    }

    @Test("rotation of both pairings", arguments: KernelLevel.available, [false, true])
    func rotate(level: KernelLevel, interleaved: Bool) {
        var comparison = Comparison()
        for (head, width) in [(2, 16), (6, 32), (64, 48)] {
            var random = SeededGenerator(seed: UInt64(head))
            let angles = (0..<head / 2 * width).map { _ in random.uniform() * 100 }
            let (cosines, sines) = (angles.map { cos($0) }, angles.map { sin($0) })
            let x = random.normal(head * width)
            for scale: Float in [1, 0.125] {
                var y = x
                nibble_rotate(&y, cosines, sines, head, width, interleaved ? 1 : 0, scale, 0, level.number)
                for pair in 0..<head / 2 {
                    let first = interleaved ? 2 * pair : pair
                    let second = interleaved ? 2 * pair + 1 : pair + head / 2
                    for lane in 0..<width {
                        let (c, s) = (
                            Double(cosines[pair * width + lane]), Double(sines[pair * width + lane])
                        )
                        let (a, b) = (Double(x[first * width + lane]), Double(x[second * width + lane]))
                        let factor = Double(scale)
                        // Factor, product and sum are rounded.
                        let bound = 4 * Bound.rounding * factor
                        comparison.add(
                            y[first * width + lane], (a * c - b * s) * factor,
                            bound: bound * (abs(a * c) + abs(b * s)))
                        comparison.add(
                            y[second * width + lane], (b * c + a * s) * factor,
                            bound: bound * (abs(b * c) + abs(a * s)))
                    }
                }
            }
        }
        comparison.check()
    }

    @Test("gates, up to ±10000", arguments: KernelLevel.available, activations)
    func gate(level: KernelLevel, activation: Activation) {
        var random = SeededGenerator(seed: 31)
        var x: [Float] = [0, -0.0, 100, -100, 10000, -10000, 88, -88, 1e-30, -1e-30, 87.3, -87.3]
        x += (0..<40000).map { Float($0 - 20000) / 200 }
        x += random.normal(4000, scale: 3)
        x += Array(repeating: 0, count: (16 - x.count % 16) % 16)
        let up = random.normal(x.count, scale: 2)
        var y = x
        nibble_gate(&y, up, x.count, Self.number(activation), level.number)
        var comparison = Comparison()
        for index in x.indices {
            let (value, bound) = Reference.gate(x[index], up[index], activation)
            comparison.add(y[index], value, bound: bound, "\(activation)(\(x[index])) * \(up[index])")
        }
        comparison.check()
    }

    @Test("the exponential, over all that a softmax asks for", arguments: KernelLevel.available)
    func exponential(level: KernelLevel) {
        // Row 0 is the maximum 0, so row j becomes exp of its scores.
        let rows = 1 << 15
        var scores = [Float](repeating: 0, count: rows * 16)
        for index in 16..<scores.count { scores[index] = -87 * Float(index) / Float(scores.count) }
        let arguments = scores
        var inverse = [Float](repeating: 0, count: 16)
        nibble_attention_softmax(&scores, rows, 16, 0, Int64(rows), 0, &inverse, level.number)
        var comparison = Comparison()
        for (found, argument) in zip(scores, arguments) {
            let expected = exp(Double(argument))
            comparison.add(found, expected, bound: Bound.exponential * expected, "exp(\(argument))")
        }
        comparison.check()
        #expect(scores[..<16].allSatisfy { $0 == 1 })
    }

    @Test("soft capping", arguments: KernelLevel.available, [30, 1, 0.01] as [Float])
    func softcap(level: KernelLevel, cap: Float) {
        var x: [Float] = [0, -0.0, .infinity, -.infinity, 1e30, -1e30, 44, -44]
        x += (0..<8008).map { Float($0 - 4004) / 400 * cap }
        var y = x
        nibble_softcap(&y, x.count, cap, level.number)
        var comparison = Comparison()
        for index in x.indices {
            // tanh u = 1 - 2 / (exp(2u) + 1) has a slope of 1/4 at most in log(exp(2u)): what the exponential
            // and its argument are off by counts a half, then come four roundings of numbers up to 1 and one of 2.
            let bound = Double(cap) * (Bound.exponential + 8 * Bound.rounding)
            comparison.add(y[index], Double(cap) * tanh(Double(x[index]) / Double(cap)), bound: bound)
        }
        comparison.check()
    }

    @Test("NaN stays NaN through gates and caps", arguments: KernelLevel.available)
    func nan(level: KernelLevel) {
        for value in [Float.nan, -Float.nan, Float(bitPattern: 0x7FC0_0001), Float(bitPattern: 0xFFFF_FFFF)] {
            var capped = [Float](repeating: 1, count: 16)
            capped[5] = value
            nibble_softcap(&capped, 16, 30, level.number)
            #expect(capped[5].isNaN && capped[4].isFinite)
            for activation in Self.activations {
                var gate = [Float](repeating: 1, count: 16)
                gate[5] = value
                nibble_gate(
                    &gate, [Float](repeating: 1, count: 16), 16, Self.number(activation), level.number)
                #expect(gate[5].isNaN && gate[4].isFinite)
                var up = [Float](repeating: 1, count: 16)
                up[5] = value
                gate = [Float](repeating: 1, count: 16)
                nibble_gate(&gate, up, 16, Self.number(activation), level.number)
                #expect(gate[5].isNaN && gate[4].isFinite)
            }
        }
    }

    @Test("sums, biases and factors of lanes are rounded once", arguments: KernelLevel.available)
    func exact(level: KernelLevel) {
        for (features, width) in [(1, 16), (3, 32), (17, 48)] {
            var random = SeededGenerator(seed: UInt64(width))
            let (x, y) = (random.normal(features * width), random.normal(features * width))
            let (bias, factors) = (random.normal(features), random.normal(width))
            var sum = x
            nibble_add(&sum, y, x.count, level.number)
            #expect(sum == zip(x, y).map { $0 + $1 })
            var biased = x
            nibble_add_bias(&biased, bias, features, width, level.number)
            #expect(biased == x.indices.map { x[$0] + bias[$0 / width] })
            var scaled = x
            nibble_scale_lanes(&scaled, factors, features, width, level.number)
            #expect(scaled == x.indices.map { x[$0] * factors[$0 % width] })
        }
    }
}
