import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite("Recorded gradients of distillation losses")
struct GradientFixtureTests {
    /// Largest relative difference of a loss. The logits are within 1e-4 of the largest (`LogitTests`), mostly 1e-6.
    static let lossBound = 1e-4

    @Test("have the names and shapes of the checkpoint's tensors", arguments: GradientFixtures.all)
    func shapes(model: GradientFixtures.Model) throws {
        let checkpoint = try SafetensorsFile(path: model.folderPath + "/model.safetensors")
        let shapes = Dictionary(uniqueKeysWithValues: checkpoint.tensors.map { ($0.name, $0.shape) })
        #expect(shapes.keys.contains { GradientFixtures.Model.isPerturbed($0) })
        for testCase in model.cases {
            let gradients = testCase.gradients
            if testCase.isWhole { #expect(gradients.mapValues(\.shape) == shapes) }
            #expect(!gradients.isEmpty)
            for (name, gradient) in gradients {
                let shape = try #require(shapes[name], "\(name)")
                #expect(gradient.shape.dropFirst() == shape.dropFirst(), "\(name)")
                #expect(gradient.shape[0] <= shape[0], "\(name)")
                #expect(gradient.values.count == gradient.shape.reduce(1, *), "\(name)")
            }
        }
    }

    @Test("of a tied matrix are the sum of its two uses")
    func tied() throws {
        let model = try #require(GradientFixtures.all.first { $0.name == "gemma3-window" })
        let testCase = try #require(model.case(.forward))
        let parts = try #require(testCase.tiedParts)
        let whole = try #require(testCase.gradients["model.embed_tokens.weight"])
        #expect(parts.embedding.shape == whole.shape && parts.head.shape == whole.shape)
        for (index, value) in whole.values.enumerated() {
            let (embedding, head) = (parts.embedding.values[index], parts.head.values[index])
            // Three roundings to F32.
            #expect(abs(embedding + head - value) <= 2.5e-7 * max(abs(embedding), abs(head)))
        }
        // A token that does not occur is not looked up.
        let used = Set(model.tokens.joined())
        let width = whole.shape[1]
        for token in 0..<model.vocabularySize {
            let row = parts.embedding.values[token * width..<(token + 1) * width]
            #expect(row.contains { $0 != 0 } == used.contains(Int32(token)), "token \(token)")
        }
    }

    @Test("belong to losses that Nibble's forward pass has, too", arguments: GradientFixtures.all)
    func losses(model: GradientFixtures.Model) throws {
        let folder = try TemporaryFolder()
        try model.writeStudent(to: folder)
        let compute = Compute(threads: 1, precision: .f32, level: .best)
        let teacher = try LanguageModel(ModelCheckpoint(path: model.folderPath), compute: compute)
        let student = try LanguageModel(ModelCheckpoint(path: folder.path), compute: compute)
        var sums = [Double](repeating: 0, count: model.cases.count)
        for tokens in model.tokens {
            for position in tokens.indices {
                let t = try teacher.logits(of: tokens, position: position)
                let s = try student.logits(of: tokens, position: position)
                for (index, testCase) in model.cases.enumerated() where position < testCase.positionCount {
                    let target = testCase.crossEntropy > 0 ? tokens[position + 1] : 0
                    sums[index] += Self.loss(testCase, teacher: t, student: s, target: Int(target))
                }
            }
        }
        for (testCase, sum) in zip(model.cases, sums) {
            let loss = sum / Double(model.tokens.count * testCase.positionCount)
            let difference = abs(loss - testCase.loss) / testCase.loss
            #expect(difference <= Self.lossBound, "\(testCase): \(loss) for \(testCase.loss), \(difference)")
        }
    }

    /// The loss of one position, in nats.
    private static func loss(
        _ testCase: GradientFixtures.Case, teacher: [Float], student: [Float], target: Int
    ) -> Double {
        let t = logProbabilities(teacher, temperature: testCase.temperature)
        let s = logProbabilities(student, temperature: testCase.temperature)
        var divergence = 0.0
        for (t, s) in zip(t, s) {
            divergence += testCase.forward * exp(t) * (t - s) + testCase.reverse * exp(s) * (s - t)
        }
        return divergence * testCase.temperature * testCase.temperature
            - testCase.crossEntropy * logProbabilities(student, temperature: 1)[target]
    }

    private static func logProbabilities(_ logits: [Float], temperature: Double) -> [Double] {
        let scaled = logits.map { Double($0) / temperature }
        let largest = scaled.reduce(-.infinity, max)
        let sum = scaled.reduce(0) { $0 + exp($1 - largest) }
        return scaled.map { $0 - largest - log(sum) }
    }
}
