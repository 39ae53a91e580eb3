import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Matching hidden states")
struct HiddenLossTests {
    /// A teacher, and a student with two matrices that may be changed, in an early and in the last block.
    struct Sample {
        let (teacher, student): (LanguageModel, LanguageModel)
        let weights: [ParameterValues]
        let sequences: [[Int32]]

        init(_ fixture: GradientFixtures.Model, threads: Int = 2) throws {
            let folder = try TemporaryFolder()
            try fixture.writeStudent(to: folder)
            let compute = Compute(threads: threads, precision: .f32)
            let checkpoint = try ModelCheckpoint(path: folder.path)
            var replacements = WeightReplacements()
            var weights: [ParameterValues] = []
            let last = checkpoint.configuration.layerCount - 1
            for role in [
                TensorRole(.feedForwardDown, layer: 1), TensorRole(.attentionOutput, layer: last),
            ] {
                let entry = try #require(checkpoint.tensors.first { $0.role == role }).entry
                let values = ParameterValues(
                    name: entry.name, columns: entry.columns, values: try entry.floats())
                weights.append(values)
                replacements.matrices[role] = values.matrix()
            }
            self.weights = weights
            teacher = try LanguageModel(ModelCheckpoint(path: fixture.folderPath), compute: compute)
            student = try LanguageModel(checkpoint, compute: compute, replacements: replacements)
            sequences = fixture.tokens
        }

        func run(
            _ loss: DistillationLoss, recomputes: Bool
        ) throws -> (DistillationLoss.Result, [[Float]]) {
            let gradients = Gradients(compute: student.compute)
            let pass = DistillationPass(
                teacher: teacher, student: student, loss: loss, recomputes: recomputes)
            let result = try pass.run(sequences, into: gradients)
            return (result, try weights.map { Array(try #require(gradients[$0.parameter])) })
        }
    }

    static let models = GradientFixtures.all.filter { ["gemma3-window", "llama-tied"].contains($0.name) }

    static var loss: DistillationLoss {
        var loss = DistillationLoss()
        loss.hidden = 0.5
        return loss
    }

    @Test("adds the distance of the streams after all blocks to the loss", arguments: models)
    func value(fixture: GradientFixtures.Model) throws {
        let sample = try Sample(fixture)
        func streams(_ model: LanguageModel) throws -> [[Float]] {
            var streams: [[Float]] = []
            for sequence in sample.sequences {
                _ = try model.residual([sequence]) { layer, stream in
                    guard layer >= 0 else { return }
                    for position in sequence.indices {
                        streams.append(stream.column(sequence: 0, position: position))
                    }
                }
            }
            return streams
        }
        var expected = 0.0
        for (s, t) in zip(try streams(sample.student), try streams(sample.teacher)) {
            let difference = zip(s, t).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
            let size = t.reduce(0.0) { $0 + Double($1) * Double($1) }
            expected += difference / (size + Double(t.count) * sample.student.configuration.normEpsilon)
        }
        expected /= Double(sample.sequences.joined().count)
        let (with, _) = try sample.run(Self.loss, recomputes: false)
        let (without, _) = try sample.run(DistillationLoss(), recomputes: false)
        #expect(abs(with.hidden - expected) <= 1e-5 * expected, "\(with.hidden) for \(expected)")
        #expect(without.hidden == 0)
        #expect(abs(with.loss - without.loss - 0.5 * with.hidden) <= 1e-12)
        #expect(with.divergence == without.divergence)
    }

    @Test(
        "has the gradient of central differences, with recomputed blocks too, on any threads",
        arguments: models)
    func gradient(fixture: GradientFixtures.Model) throws {
        let sample = try Sample(fixture)
        let (_, found) = try sample.run(Self.loss, recomputes: false)
        let (_, plain) = try sample.run(DistillationLoss(), recomputes: false)
        // Where a block is computed again its gradients meet those of the streams in another order.
        for (again, found) in zip(try sample.run(Self.loss, recomputes: true).1, found) {
            let largest = found.reduce(0) { max($0, abs($1)) }
            #expect(zip(again, found).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
        }
        #expect(try Sample(fixture, threads: 1).run(Self.loss, recomputes: false).1 == found)
        for (index, weight) in sample.weights.enumerated() {
            // What hidden states add is not small beside the rest: an error in it would show.
            let added = zip(found[index], plain[index]).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(added > 0.01 * found[index].reduce(0) { max($0, abs($1)) })
            // Along the gradient g, the derivative is |g|². Steps move the loss by some percent, where the error of its
            // Float passes is 1e-6 and that of the third derivative below 1e-3.
            let original = Array(weight.values)
            let square = found[index].reduce(0.0) { $0 + Double($1) * Double($1) }
            let step = 0.01 * (original.reduce(0.0) { $0 + Double($1) * Double($1) } / square).squareRoot()
            func loss(_ factor: Double) throws -> Double {
                for place in original.indices {
                    weight.values[place] = original[place] + Float(factor) * found[index][place]
                }
                return try sample.run(Self.loss, recomputes: false).0.loss
            }
            let slope = (try loss(step) - loss(-step)) / (2 * step)
            _ = try loss(0)
            #expect(abs(slope - square) <= 5e-3 * square, "\(weight.parameter.name): \(slope) for \(square)")
        }
    }
}
