import CKernels
import Foundation
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Kernels of the backward pass")
struct GradientKernelTests {
    @Test("the norm", arguments: KernelLevel.available)
    func norm(level: KernelLevel) {
        var comparison = Comparison()
        for (features, width) in [(1, 16), (2, 32), (63, 16), (64, 48), (640, 32)] {
            for size: Float in [1, 1e-12, 1e8] {
                var random = SeededGenerator(seed: UInt64(features))
                let x = random.normal(features * width, scale: size)
                let (weight, dy) = (random.normal(features), random.normal(features * width))
                let start = random.normal(features)
                var dx = [Float](repeating: .nan, count: x.count)
                var dweight = start
                nibble_rms_norm_backward(
                    x, weight, 1e-6, dy, features, width, &dx, &dweight, level.number)
                var inPlace = dy
                inPlace.withUnsafeMutableBufferPointer { values in
                    guard let pointer = values.baseAddress else { return }
                    nibble_rms_norm_backward(
                        x, weight, 1e-6, pointer, features, width, pointer, nil, level.number)
                }
                #expect(inPlace == dx)
                compareNorm(x, weight, dy, width: width, dx, dweight, start: start, into: &comparison)
            }
        }
        comparison.check()
    }

    private func compareNorm(
        _ x: [Float], _ weight: [Float], _ dy: [Float], width: Int, _ dx: [Float], _ dweight: [Float],
        start: [Float], into comparison: inout Comparison
    ) {
        let features = weight.count
        let n = Double(features)
        // The root of a mean of squares, as in the forward pass, and its reciprocal.
        let scaleError = (n / 4 + 8) * Bound.rounding
        var sums = start.map(Double.init)
        var magnitudes = start.map { abs(Double($0)) }
        for lane in 0..<width {
            let column = (0..<features).map { Double(x[$0 * width + lane]) }
            let upstream = (0..<features).map { Double(dy[$0 * width + lane]) }
            let s = 1 / (column.reduce(0) { $0 + $1 * $1 } / n + 1e-6).squareRoot()
            var (dot, magnitude) = (0.0, 0.0)
            for feature in 0..<features {
                let term = Double(weight[feature]) * upstream[feature] * column[feature]
                dot += term
                magnitude += abs(term)
            }
            let dotError = Bound.sum(terms: features + 2, magnitude: magnitude) / max(magnitude, 1e-300)
            for feature in 0..<features {
                let direct = s * Double(weight[feature]) * upstream[feature]
                let pull = column[feature] * s * s * s / n
                let bound =
                    abs(direct) * (scaleError + 4 * Bound.rounding) + abs(pull) * magnitude
                    * (3 * scaleError + dotError + 8 * Bound.rounding)
                comparison.add(
                    dx[feature * width + lane], direct - pull * dot, bound: bound + Bound.smallest,
                    "\(features) features, dx")
                sums[feature] += column[feature] * s * upstream[feature]
                magnitudes[feature] += abs(column[feature] * s * upstream[feature])
            }
        }
        for feature in 0..<features {
            comparison.add(
                dweight[feature], sums[feature],
                bound: magnitudes[feature] * scaleError
                    + Bound.sum(terms: width + 2, magnitude: magnitudes[feature]), "dweight")
        }
    }

    @Test("gates, up to ±10000", arguments: KernelLevel.available, [Activation.silu, .geluTanh])
    func gate(level: KernelLevel, activation: Activation) {
        var random = SeededGenerator(seed: 31)
        var x: [Float] = [0, -0.0, 100, -100, 10000, -10000, 88, -88, 1e-30, -1e-30, 87.3, -87.3]
        x += (0..<40000).map { Float($0 - 20000) / 200 }
        x += random.normal(4000, scale: 3)
        x += Array(repeating: 0, count: (16 - x.count % 16) % 16)
        let up = random.normal(x.count, scale: 2)
        let dy = random.normal(x.count)
        var (dgate, dup) = (x, up)
        let number = activation == .silu ? NIBBLE_ACTIVATION_SILU : NIBBLE_ACTIVATION_GELU_TANH
        nibble_gate_backward(&dgate, &dup, dy, x.count, Int32(number), level.number)
        var comparison = Comparison()
        for index in x.indices {
            let (value, bound) = Reference.gate(x[index], dy[index], activation)
            comparison.add(dup[index], value, bound: bound, "\(activation)(\(x[index])) * \(dy[index])")
            let (slope, slopeBound) = Reference.gateSlope(x[index], activation)
            let factor = Double(dy[index]) * Double(up[index])
            comparison.add(
                dgate[index], slope * factor,
                bound: (slopeBound + 2 * Bound.rounding * abs(slope)) * abs(factor) + Bound.smallest,
                "\(activation)'(\(x[index])) * \(factor)")
        }
        comparison.check()
    }

    @Test("the soft cap, from its result", arguments: KernelLevel.available, [30, 1, 0.01] as [Float])
    func softcap(level: KernelLevel, cap: Float) {
        var random = SeededGenerator(seed: 7)
        // Ends of the range included, where the slope is 0.
        let y =
            (-507...507).map { Float($0) / 507 * cap } + [0, -0.0, cap, -cap, 1e-30, -1e-30, cap, -cap, 0]
        let dy = random.normal(y.count)
        var found = dy
        nibble_softcap_backward(y, &found, y.count, cap, level.number)
        var comparison = Comparison()
        for index in y.indices {
            let t = Double(y[index]) / Double(cap)
            // Quotient, square and difference are rounded, each of at most 1; then the product.
            comparison.add(
                found[index], Double(dy[index]) * (1 - t * t),
                bound: 5 * Bound.rounding * abs(Double(dy[index])), "y \(y[index])")
        }
        comparison.check()
    }

    @Test("the softmax, for even and odd numbers of keys", arguments: KernelLevel.available)
    func softmax(level: KernelLevel) {
        var comparison = Comparison()
        for (keys, width) in [(1, 16), (2, 16), (3, 32), (17, 48), (64, 16), (101, 32)] {
            var random = SeededGenerator(seed: UInt64(keys))
            var p = (0..<keys * width).map { _ in exp(3 * random.normal()) }
            for lane in 0..<width {
                let sum = stride(from: lane, to: p.count, by: width).reduce(Float(0)) { $0 + p[$1] }
                for index in stride(from: lane, to: p.count, by: width) { p[index] /= sum }
                // As behind a mask.
                if keys > 2, lane % 3 == 0 { p[lane] = 0 }
            }
            let dp = random.normal(keys * width)
            var found = dp
            nibble_softmax_backward(p, &found, keys, width, level.number)
            for lane in 0..<width {
                let lanes = stride(from: lane, to: p.count, by: width)
                let (mean, magnitude) = Reference.dot(lanes.map { p[$0] }, lanes.map { dp[$0] })
                for index in lanes {
                    let (weight, own) = (Double(p[index]), Double(dp[index]))
                    let bound =
                        weight
                        * (Bound.sum(terms: keys, magnitude: magnitude) + 2 * Bound.rounding
                            * (abs(own) + abs(mean)))
                    comparison.add(
                        found[index], weight * (own - mean), bound: bound + Bound.smallest, "\(keys) keys")
                }
            }
        }
        comparison.check()
    }

    @Test("sums of lanes are added to what is there", arguments: KernelLevel.available)
    func sumLanes(level: KernelLevel) {
        var comparison = Comparison()
        for (features, width) in [(1, 16), (3, 32), (17, 48), (5, 128)] {
            var random = SeededGenerator(seed: UInt64(width))
            let (x, start) = (random.normal(features * width), random.normal(features + 1))
            var out = start
            nibble_sum_lanes(x, features, width, &out, level.number)
            for feature in 0..<features {
                let values = x[feature * width..<(feature + 1) * width] + [start[feature]]
                let (sum, magnitude) = Reference.dot(values, values.map { _ in 1 })
                comparison.add(
                    out[feature], sum, bound: Bound.sum(terms: width + 1, magnitude: magnitude))
            }
            #expect(out[features] == start[features])
        }
        comparison.check()
    }

    @Test(
        "a rotation's inverse turns back, for both pairings", arguments: KernelLevel.available, [false, true])
    func rotate(level: KernelLevel, interleaved: Bool) {
        var comparison = Comparison()
        for (head, width) in [(2, 16), (6, 32), (64, 48)] {
            var random = SeededGenerator(seed: UInt64(head))
            let angles = (0..<head / 2 * width).map { _ in random.uniform() * 100 }
            let (cosines, sines) = (angles.map { cos($0) }, angles.map { sin($0) })
            let x = random.normal(head * width)
            for scale: Float in [1, 0.125] {
                var y = x
                nibble_rotate(&y, cosines, sines, head, width, interleaved ? 1 : 0, scale, 1, level.number)
                for pair in 0..<head / 2 {
                    let first = interleaved ? 2 * pair : pair
                    let second = interleaved ? 2 * pair + 1 : pair + head / 2
                    for lane in 0..<width {
                        let c = Double(cosines[pair * width + lane]) * Double(scale)
                        let s = Double(sines[pair * width + lane]) * Double(scale)
                        let (a, b) = (Double(x[first * width + lane]), Double(x[second * width + lane]))
                        // Factor, product and sum are rounded.
                        let bound = 4 * Bound.rounding
                        comparison.add(
                            y[first * width + lane], a * c + b * s, bound: bound * (abs(a * c) + abs(b * s)))
                        comparison.add(
                            y[second * width + lane], b * c - a * s, bound: bound * (abs(b * c) + abs(a * s)))
                    }
                }
            }
        }
        comparison.check()
    }

    @Test("NaN stays NaN through gates and caps, and where it was", arguments: KernelLevel.available)
    func nan(level: KernelLevel) {
        let ones = [Float](repeating: 1, count: 16)
        var broken = ones
        broken[5] = .nan
        for activation in [NIBBLE_ACTIVATION_SILU, NIBBLE_ACTIVATION_GELU_TANH] {
            for place in 0..<3 {
                var gate = place == 0 ? broken : ones
                var up = place == 1 ? broken : ones
                nibble_gate_backward(
                    &gate, &up, place == 2 ? broken : ones, 16, Int32(activation), level.number)
                #expect(gate[5].isNaN && gate[4].isFinite && up[4].isFinite)
                #expect(up[5].isNaN == (place != 1))
            }
        }
        var dy = broken
        nibble_softcap_backward(ones, &dy, 16, 30, level.number)
        #expect(dy[5].isNaN && dy[4].isFinite)
    }
}

extension Reference {
    /// d/dx of an activation x s(u): s + x s (1 - s) u', and how far a kernel may be from it, as for ``gate(_:_:_:)``:
    /// each of the two terms has the relative error of s or of s (1 - s). The exponential is clamped at both ends, so
    /// that what should be nothing is up to 2^-125 times the factor that it meets.
    static func gateSlope(_ x: Float, _ activation: Activation) -> (value: Double, bound: Double) {
        let x = Double(x)
        let (u, slope) =
            switch activation {
            case .silu: (x, 1.0)
            case .geluTanh:
                (geluArgument(x), 2 * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x))
            }
        let argument = activation == .silu ? 0 : min(abs(u), 128)
        let (s, rest) = (1 / (1 + exp(-u)), 1 / (1 + exp(u)))
        let relative = 2 * Bound.exponential + (16 + 12 * argument) * Bound.rounding
        let second = x * s * rest * slope
        let bound = (s + abs(second)) * relative + (1 + abs(x * slope)) * 0x1p-125
        return (s + second, bound)
    }
}
