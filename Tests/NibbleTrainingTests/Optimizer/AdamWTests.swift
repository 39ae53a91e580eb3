import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Ten steps of AdamW")
struct AdamWTests {
    /// Units in the last place of the largest parameter, which a step rounds to.
    static let bound: Float = 4
    /// Of a first moment, in units of the largest: ten steps of three roundings, and 0.9 that is a Float.
    static let firstBound: Float = 8
    /// Relative error of a second moment: β₂ = 0.999 is a Float here, off by up to half a unit, a part of
    /// 2^-25 / (1 - β₂) of 1 - β₂. The correction by 1 - β₂ᵗ has the same β₂, so that weights do not show it.
    static let secondBound: Float = 0x1p-25 / 0.001

    @Test("are PyTorch's", arguments: AdamWFixtures.all, KernelLevel.available)
    func steps(fixture: AdamWFixtures.Case, level: KernelLevel) {
        let compute = Compute(threads: 1, precision: .f32, level: level)
        var weights = fixture.start.floats
        var m = [Float](repeating: 0, count: weights.count)
        var v = m
        let parameter = Parameter(name: "weights", count: weights.count)
        let gradients = Gradients(compute: compute)
        for (index, step) in fixture.steps.enumerated() {
            gradients.reset()
            let gradient = step.gradient.floats
            let (target, _) = gradients.target(parameter)
            for i in gradient.indices { target[i] = gradient[i] }
            let norm = gradients.sumOfSquares([parameter]).squareRoot()
            #expect(abs(norm - step.norm) <= 1e-6 * norm)
            let clip = fixture.clipNorm.map { min(1, $0 / (norm + 1e-6)) } ?? 1
            let adamW = AdamWStep(
                rate: Float(step.learningRate), beta1: Float(fixture.beta1), beta2: Float(fixture.beta2),
                epsilon: Float(fixture.epsilon), decay: Float(fixture.weightDecay),
                gradientScale: Float(clip), step: index + 1)
            let count = weights.count
            adamW.apply(to: &weights, gradient: target, m: &m, v: &v, count: count, compute: compute)
            let largest = step.parameters.floats.reduce(0) { max($0, abs($1)) }
            for (found, expected) in zip(weights, step.parameters.floats) {
                #expect(abs(found - expected) <= Self.bound * largest.ulp, "step \(index)")
            }
        }
        let largest = fixture.firstMoment.floats.reduce(0) { max($0, abs($1)) }
        for (found, expected) in zip(m, fixture.firstMoment.floats) {
            #expect(abs(found - expected) <= Self.firstBound * largest.ulp)
        }
        for (found, expected) in zip(v, fixture.secondMoment.floats) {
            #expect(abs(found - expected) <= Self.secondBound * expected)
        }
    }
}
