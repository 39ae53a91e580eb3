import Foundation
import NibbleCheckpoint
import NibbleEvaluation
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Base logits through a file")
struct SavedLogitsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func save(_ model: String, threads: Int = 2, precision: Precision = .automatic) throws -> String {
        var request = request([model], precision: precision, threads: threads)
        request.savedLogits = folder.file("\(threads).logits")
        request.replacesLogits = true
        _ = try evaluate(request)
        return folder.file("\(threads).logits")
    }

    private func compare(_ model: String, logits: String, precision: Precision = .automatic) throws
        -> Evaluation
    {
        var request = request([model], texts: [], precision: precision)
        request.logits = logits
        return try evaluate(request)
    }

    /// A code stands for 16 / 65535 nats, so a logarithm is off by half of that at most, and a divergence, their
    /// mean, by less. What lies 16 nats below the largest is clipped: its probability is below e^-16 of it.
    private static let resolution = 16.0 / 65535

    @Test(
        "gives the statistics of two models side by side", arguments: ["llama2-spm", "gemma3-text", "qwen3"])
    func equal(name: String) throws {
        let base = hubFile(name)
        let quantized = try convert(base, .q4_0, in: folder)
        let direct = try evaluate(request([base, quantized])).divergence(model: 1)
        let evaluation = try compare(quantized, logits: try save(base))
        let saved = evaluation.divergence(model: 0)
        #expect(saved.count == direct.count)
        #expect(saved.perplexities.perplexity == direct.perplexities.perplexity)
        let (mean, other) = (saved.meanDivergence, direct.meanDivergence)
        #expect(abs(mean.value - other.value) < Self.resolution, "\(mean), \(other)")
        #expect(isNear(mean.error, other.error, within: 1e-2), "\(mean), \(other)")
        let fractions: [Float] = [0.1, 0.5, 0.9, 0.99, 1]
        for fraction in fractions {
            let difference =
                saved.divergencePercentiles.value(at: fraction)
                - direct.divergencePercentiles.value(at: fraction)
            #expect(abs(difference) < 4 * Self.resolution, "\(fraction): \(difference)")
        }
        // Tokens that Gemma's random weights find less probable than e^-16 of the largest are clipped there.
        if name != "gemma3-text" {
            #expect(
                abs(saved.perplexities.logRatio.value - direct.perplexities.logRatio.value) < Self.resolution)
        }
        #expect(
            isNear(
                saved.rootMeanSquareDifference.value, direct.rootMeanSquareDifference.value, within: 1e-2))
        // Two tokens within a code of each other are equals there.
        #expect(abs(saved.sameTop.value - direct.sameTop.value) < 0.01)
    }

    @Test("The file is the same for every number of threads")
    func threads() throws {
        let files = try [1, 2, 3].map { try contents(save(hubFile("smollm2"), threads: $0)) }
        #expect(files[0] == files[1])
        #expect(files[0] == files[2])
    }

    @Test("Logarithms in the file are those of the model, within the resolution")
    func logarithms() throws {
        let path = try save(hubFile("llama3"), precision: .f32)
        let reader = try LogitsFileReader(path: path)
        let evaluator = try Evaluator(request([hubFile("llama3")], precision: .f32))
        let plan = evaluator.plans[0].plan
        #expect(reader.chunkCount == plan.count)
        #expect(reader.tokens == Array(plan.tokens.prefix(plan.count * plan.window)))
        for (chunk, index) in [(0, 0), (3, 7), (plan.count - 1, 14)] {
            let record = try reader.record(chunk: chunk, index: index)
            let logits = try evaluator.models[0].logits(
                of: plan[chunk].tokens, position: plan.scored.lowerBound + index
            ).map(Double.init)
            let largest = try #require(logits.max())
            let normalizer = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
            for (token, logit) in logits.enumerated() where logit > largest - 16 {
                let difference = Double(record.logProbability(of: token)) - (logit - normalizer)
                #expect(abs(difference) <= 0.6 * Self.resolution, "token \(token): \(difference)")
            }
        }
    }

    @Test("llama-perplexity's file gives its figures")
    func foreign() throws {
        let recorded = try RecordedDivergence.read()
        let quantized = try convert(hubFile("llama2-spm"), .q4_0, isPure: true, in: folder)
        let saved = try compare(quantized, logits: RecordedDivergence.logits).divergence(model: 0)
        #expect(saved.count == recorded.records.count)
        let figures: [(String, Estimate, Double)] = [
            ("base_perplexity", saved.perplexities.basePerplexity, 1e-6),
            ("perplexity", saved.perplexities.perplexity, 5e-3),
            ("divergence", saved.meanDivergence, 3e-2),
            ("probability_difference_rms", saved.rootMeanSquareDifference, 3e-2),
            ("same_top", saved.sameTop, 3e-2),
        ]
        for (name, figure, share) in figures {
            let expected = try #require(recorded.figures[name])
            #expect(isNear(figure.value, expected[0], within: share), "\(name): \(figure), \(expected)")
        }
    }

    @Test("A limit of chunks compares the first ones")
    func limit() throws {
        let path = try save(hubFile("llama3"))
        var limited = request([hubFile("llama3")], texts: [])
        limited.logits = path
        limited.chunkLimit = 2
        let evaluation = try evaluate(limited)
        #expect(evaluation.chunksDone == 2)
        #expect(evaluation.divergence(model: 0).count == 30)
    }

    @Test("An interrupted run leaves no file, and an existing one is kept unless told")
    func interrupted() throws {
        var request = request([hubFile("smollm2")])
        request.savedLogits = folder.file("a.logits")
        var batches = 0
        let evaluation = try Evaluator(request).run(
            progress: { _ in batches += 1 }, isCancelled: { batches == 1 })
        #expect(evaluation.chunksDone == 32)
        #expect(try folder.names.isEmpty)

        try folder.write([1, 2, 3], to: "a.logits")
        let error = #expect(throws: CheckpointError.self) { _ = try Evaluator(request) }
        #expect(error?.path == folder.file("a.logits"))
        request.replacesLogits = true
        batches = 0
        _ = try Evaluator(request).run(progress: { _ in batches += 1 }, isCancelled: { batches == 1 })
        #expect(try contents(folder.file("a.logits")) == [1, 2, 3])
        #expect(try folder.names == ["a.logits"])
    }

    @Test("A failing model leaves no file")
    func failing() throws {
        let source = try GGUFFile(path: hubFile("qwen3"))
        var bytes = try contents(hubFile("qwen3"))
        let tensor = try #require(source.tensors.first { $0.name == "blk.1.ffn_down.weight" })
        bytes.replaceSubrange(tensor.range.lowerBound..<tensor.range.lowerBound + 2, with: [0xC0, 0x7F])
        var request = request([try folder.write(bytes, to: "nan.gguf")])
        request.savedLogits = folder.file("a.logits")
        #expect(throws: CheckpointError.self) { try evaluate(request) }
        #expect(try folder.names == ["nan.gguf"])
    }

    @Test("A file for another vocabulary, several texts and a stride are errors")
    func mismatches() throws {
        let logits = RecordedDivergence.logits
        let vocabulary = #expect(throws: CheckpointError.self) {
            try compare(hubFile("llama3"), logits: logits)
        }
        #expect(vocabulary?.code == .inconsistent)
        #expect(vocabulary?.path == logits)
        #expect(vocabulary?.description.contains("401") == true)

        var several = request([hubFile("llama3")], texts: [textFile("english"), textFile("code")])
        several.savedLogits = folder.file("a.logits")
        #expect(throws: CheckpointError.self) { try evaluate(several) }
        var strided = request([hubFile("llama3")])
        strided.savedLogits = folder.file("a.logits")
        strided.stride = 16
        let stride = #expect(throws: CheckpointError.self) { try evaluate(strided) }
        #expect(stride?.description.contains("stride") == true)
        #expect(try folder.names.isEmpty)
    }
}
