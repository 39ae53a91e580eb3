import NibbleTestSupport
import Testing

@Suite("Recorded steps of AdamW")
struct AdamWFixtureTests {
    /// Largest difference of a parameter from the formula in Double, which starts each step from the recorded
    /// parameters: a few roundings of values below 4. Moments are carried along; relative to the largest of them.
    static let bound = 1e-6

    @Test("follow the formula, with the recorded settings", arguments: AdamWFixtures.all)
    func formula(fixture: AdamWFixtures.Case) {
        var parameters = fixture.start.floats.map(Double.init)
        var first = [Double](repeating: 0, count: parameters.count)
        var second = first
        for (index, step) in fixture.steps.enumerated() {
            var gradient = step.gradient.floats.map(Double.init)
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(norm - step.norm) <= 1e-6 * norm)
            if let clipNorm = fixture.clipNorm, norm > clipNorm {
                gradient = gradient.map { $0 * clipNorm / (norm + 1e-6) }
            }
            let correction1 = 1 - power(fixture.beta1, index + 1)
            let correction2 = 1 - power(fixture.beta2, index + 1)
            for i in gradient.indices {
                first[i] = fixture.beta1 * first[i] + (1 - fixture.beta1) * gradient[i]
                second[i] = fixture.beta2 * second[i] + (1 - fixture.beta2) * gradient[i] * gradient[i]
                let change =
                    first[i] / correction1 / ((second[i] / correction2).squareRoot() + fixture.epsilon)
                let kept = parameters[i] * (1 - step.learningRate * fixture.weightDecay)
                let expected = kept - step.learningRate * change
                let found = Double(step.parameters.floats[i])
                #expect(abs(found - expected) <= Self.bound, "step \(index), element \(i)")
                parameters[i] = found
            }
        }
        for (recorded, expected) in [(fixture.firstMoment, first), (fixture.secondMoment, second)] {
            for (found, expected) in zip(recorded.floats, expected) {
                #expect(abs(Double(found) - expected) <= Self.bound * max(1e-3, abs(expected)))
            }
        }
    }

    @Test("have the learning rates of a warm-up and half a cosine")
    func cosine() throws {
        let fixture = try #require(AdamWFixtures.all.first { $0.name == "cosine" })
        let factors = fixture.steps.map { $0.learningRate / fixture.learningRate }
        #expect(fixture.warmupSteps == 3 && fixture.finalFraction == 0.1)
        #expect(
            abs(factors[0] - 1.0 / 3) < 1e-12 && abs(factors[2] - 1) < 1e-12 && abs(factors[3] - 1) < 1e-12)
        // Half of the seven steps of the cosine after step 3 lie between steps 6 and 7.
        #expect(abs((factors[6] + factors[7]) / 2 - 0.55) < 1e-12)
        #expect(factors[9] > 0.1 && factors[9] < 0.15)
    }

    private func power(_ base: Double, _ exponent: Int) -> Double {
        (0..<exponent).reduce(1) { product, _ in product * base }
    }
}
