import NibbleModel
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import NibbleTraining
import Testing

@Suite("Gradients of batches")
struct GradientDeterminismTests {
    /// Lengths that fill panels and that do not, from one token on.
    static let lengths = [1, 2, 17, 32, 40, 64, 96]

    /// Every term of the loss.
    static let loss: DistillationLoss = {
        var loss = DistillationLoss()
        (loss.temperature, loss.crossEntropy, loss.reverseKL) = (1.5, 0.2, 0.4)
        return loss
    }()

    /// Up to three sequences of a model's own tokens.
    private static func batch(_ fixture: GradientFixtures.Model, count: Int, length: Int) -> [[Int32]] {
        let tokens = Array(fixture.tokens.joined())
        return (0..<count).map { index in (0..<length).map { tokens[($0 + 29 * index) % tokens.count] } }
    }

    @Test(
        "have the same bits on one thread and on two, blocks kept or computed again",
        arguments: Precision.allCases.filter(\.isSupported))
    func threads(precision: Precision) throws {
        for fixture in GradientFixtures.all {
            let one = try DifferentiatedModel(fixture, compute: Compute(threads: 1, precision: precision))
            let two = try DifferentiatedModel(fixture, compute: Compute(threads: 2, precision: precision))
            for length in Self.lengths where length > 1 {
                for count in 1...3 {
                    let batch = Self.batch(fixture, count: count, length: length)
                    let (result, expected) = try one.run(batch, Self.loss)
                    two.compute.poison()
                    let (other, found) = try two.run(batch, Self.loss, recomputes: count == 2)
                    #expect(result.loss == other.loss)
                    #expect(!expected.isEmpty && found.keys.sorted() == expected.keys.sorted())
                    for (name, gradient) in expected {
                        #expect(gradient.allSatisfy { $0.isFinite }, "\(fixture), \(name)")
                        #expect(
                            found[name]?.map(\.bitPattern) == gradient.map(\.bitPattern),
                            "\(fixture), \(name), \(count) sequences of \(length)")
                    }
                }
            }
        }
    }

    @Test(
        "are those that the loss changes with, for every length and number of sequences",
        arguments: GradientFixtures.all)
    func slope(fixture: GradientFixtures.Model) throws {
        let differentiated = try DifferentiatedModel(fixture, compute: Compute(threads: 2, precision: .f32))
        for length in Self.lengths {
            // With one token only there is no next one.
            var loss = Self.loss
            if length == 1 { loss.crossEntropy = 0 }
            for count in [1, 3] {
                let batch = Self.batch(fixture, count: count, length: length)
                let (_, gradients) = try differentiated.run(batch, loss)
                let squares = gradients.values.joined().reduce(0.0) { $0 + Double($1) * Double($1) }
                // Along the gradient the loss changes by its length; central differences in a loss of 24 bits.
                let step = Float(Self.step / squares)
                let start = differentiated.weights.map { Array($0.weight.values) }
                var losses: [Double] = []
                for sign: Float in [1, -1] {
                    for (index, (name, weight)) in differentiated.weights.enumerated() {
                        guard let gradient = gradients[name] else { continue }
                        for i in gradient.indices {
                            weight.values[i] = start[index][i] + sign * step * gradient[i]
                        }
                    }
                    losses.append(try differentiated.run(batch, loss).result.loss)
                }
                for (index, (_, weight)) in differentiated.weights.enumerated() {
                    _ = weight.values.update(from: start[index])
                }
                let slope = (losses[0] - losses[1]) / (2 * Self.step)
                #expect(abs(slope - 1) <= Self.slopeBound, "\(count) sequences of \(length): \(slope)")
            }
        }
    }

    /// By how much the loss should change to each side.
    private static let step = 7e-4
    /// The third derivative along a step that changes the loss by so little, and a loss of about 1e-6 precision.
    private static let slopeBound = 5e-3

    @Test("of a batch are the mean of those of its sequences", arguments: GradientFixtures.all)
    func mean(fixture: GradientFixtures.Model) throws {
        let differentiated = try DifferentiatedModel(fixture, compute: Compute(threads: 2, precision: .f32))
        // What is left out depends on which tokens share a panel.
        var whole = Self.loss
        whole.negligible = 0
        let loss = whole
        for length in Self.lengths where length > 1 {
            let batch = Self.batch(fixture, count: 3, length: length)
            let (result, gradients) = try differentiated.run(batch, loss)
            let parts = try batch.map { try differentiated.run([$0], loss) }
            let mean = parts.reduce(0) { $0 + $1.result.loss } / 3
            #expect(abs(result.loss - mean) <= 1e-5 * mean)
            for (name, gradient) in gradients {
                let largest = gradient.reduce(0) { max($0, abs($1)) }
                for index in gradient.indices {
                    let mean = parts.reduce(Float(0)) { $0 + ($1.gradients[name]?[index] ?? .nan) } / 3
                    guard !(abs(gradient[index] - mean) <= GradientTests.f32Bound * largest) else { continue }
                    Issue.record("\(name), length \(length): \(gradient[index]) for \(mean)")
                    break
                }
            }
        }
    }
}
