import Foundation
import NibbleCheckpoint
import NibbleEvaluation
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Evaluation of small models")
struct EvaluatorTests {
    /// llama.cpp computes GELU by a table of F16 values, which only Gemma uses.
    private func share(_ record: RecordedPerplexity) -> Double {
        record.model.hasPrefix("gemma3") ? 1e-3 : 1e-4
    }

    @Test("In F32 perplexities are llama-perplexity's of the same weights", arguments: RecordedPerplexity.all)
    func single(record: RecordedPerplexity) throws {
        var request = request(
            [record.modelPath], texts: [record.textPath], context: record.context, precision: .f32)
        request.stride = record.stride
        let text = try evaluate(request).texts[0]
        #expect(text.chunksDone == record.chunks)
        #expect(text.chunksPlanned == record.chunks)
        let estimate = text.estimates[0]
        #expect(
            isNear(estimate.perplexity, record.f32, within: share(record)),
            "\(estimate.perplexity), llama-perplexity \(record.f32)")
        if let error = record.f32Error {
            #expect(isNear(estimate.perplexityError, error, within: share(record)))
        }
        let scored = record.stride ?? record.context - 1 - record.context / 2
        #expect(estimate.count == record.chunks * scored)
    }

    /// Both round activations to 8 bits, after sums in another order: a rounding here and there goes the other way.
    /// Probabilities of these models, of random weights, are small and move more by it than a trained model's.
    @Test(
        "With BF16 products perplexities are llama-perplexity's of the BF16 file",
        arguments: RecordedPerplexity.all)
    func rounded(record: RecordedPerplexity) throws {
        var request = request([record.modelPath], texts: [record.textPath], context: record.context)
        request.stride = record.stride
        let estimate = try evaluate(request).texts[0].estimates[0]
        #expect(
            isNear(estimate.perplexity, record.perplexity, within: 5e-3),
            "\(estimate.perplexity), llama-perplexity \(record.perplexity)")
        if let error = record.error {
            #expect(isNear(estimate.perplexityError, error, within: 1e-2))
        }
    }

    @Test("Several texts are cut on their own and pooled token by token")
    func pooled() throws {
        let records = RecordedPerplexity.all.filter {
            $0.model == "llama3" && $0.context == 32 && $0.stride == nil
        }
        try #require(records.map(\.text) == ["english", "code"])
        let evaluation = try evaluate(
            request([hubFile("llama3")], texts: records.map(\.textPath), precision: .f32))
        #expect(evaluation.texts.map(\.chunksDone) == records.map(\.chunks))
        #expect(evaluation.texts.map(\.name) == records.map(\.textPath))
        let sum = records.reduce(0) { $0 + Double($1.chunks) * log($1.f32) }
        let mean = sum / Double(records.reduce(0) { $0 + $1.chunks })
        let pooled = evaluation.pooled(model: 0)
        #expect(isNear(pooled.perplexity, exp(mean), within: 1e-4))
        #expect(pooled.count == evaluation.texts.reduce(0) { $0 + $1.estimates[0].count })
        // Alone each text gives the same.
        for (index, record) in records.enumerated() {
            let alone = try evaluate(
                request([hubFile("llama3")], texts: [record.textPath], precision: .f32))
            #expect(alone.texts[0].estimates == evaluation.texts[index].estimates)
        }
    }

    @Test("A limit of chunks evaluates the first ones", arguments: [1, 7, 40, 1000])
    func limit(limit: Int) throws {
        var limited = request([hubFile("qwen3")])
        limited.chunkLimit = limit
        var done: [Int] = []
        var estimates: [PerplexityEstimate] = []
        let evaluator = try Evaluator(limited)
        let text = try evaluator.run(progress: {
            done.append($0.chunksDone)
            estimates.append($0.pooled(model: 0))
        }).texts[0]
        #expect(text.chunksDone == min(limit, 45))
        #expect(text.chunksPlanned == text.chunksDone)
        #expect(text.estimates[0].count == 15 * text.chunksDone)
        // 1024 tokens at a time.
        #expect(done == (limit <= 32 ? [limit] : [32, text.chunksDone]))
        #expect(estimates.last == text.estimates[0])
    }

    @Test("Several models take the same chunks, and the first is the base")
    func sideBySide() throws {
        let folder = try TemporaryFolder()
        let base = hubFile("llama2-spm")
        let models = [base, try convert(base, .q8_0, in: folder), try convert(base, .q4_0, in: folder)]
        let evaluation = try evaluate(request(models))
        let text = evaluation.texts[0]
        #expect(text.divergences[0].count == 0)
        for (index, model) in models.enumerated() {
            let alone = try evaluate(request([model]))
            #expect(alone.texts[0].estimates[0] == text.estimates[index])
            #expect(alone.texts[0].divergences[0].count == 0)
            guard index > 0 else { continue }
            #expect(text.divergences[index].count == text.estimates[index].count)
            #expect(
                text.divergences[index].perplexities.basePerplexity.value == text.estimates[0].perplexity)
            #expect(
                text.divergences[index].perplexities.perplexity.value == text.estimates[index].perplexity)
        }
        let means = text.divergences.dropFirst().map(\.meanDivergence.value)
        #expect(means[0] > 0 && means[0] < means[1])
    }

    @Test("A model compared with itself does not differ")
    func itself() throws {
        let model = hubFile("gemma3-text")
        let divergence = try evaluate(request([model, model])).divergence(model: 1)
        #expect(divergence.meanDivergence.value.magnitude < 1e-6)
        #expect(divergence.sameTop.value == 1)
        #expect(divergence.perplexities.difference.value == 0)
    }

    @Test(
        "One, two and three threads give the same bits", arguments: Precision.allCases.filter(\.isSupported))
    func threads(precision: Precision) throws {
        let folder = try TemporaryFolder()
        let models = [hubFile("qwen2"), try convert(hubFile("qwen2"), .q4_0, in: folder)]
        let results = try [1, 2, 3].map { threads in
            try evaluate(request(models, precision: precision, threads: threads))
        }
        for result in results.dropFirst() {
            #expect(result.texts[0].estimates == results[0].texts[0].estimates)
            #expect(result.texts[0].divergences == results[0].texts[0].divergences)
        }
    }

    @Test("An interrupted run keeps what is done", arguments: [0, 1, 2])
    func interrupted(batches: Int) throws {
        var calls = 0
        let texts = [textFile("english"), textFile("code")]
        let request = request([hubFile("smollm2")], texts: texts)
        let whole = try evaluate(request)
        var progress: [Evaluation] = []
        let evaluation = try Evaluator(request).run(
            progress: { progress.append($0) },
            isCancelled: {
                calls += 1
                return calls > batches
            })
        #expect(calls == batches + 1)
        #expect(progress.count == batches)
        // 50 chunks of the first text: 32 and 18.
        #expect(evaluation.texts.map(\.chunksDone) == [[0, 32, 50][batches], 0])
        #expect(evaluation.chunksPlanned == whole.chunksPlanned)
        #expect(evaluation.texts[0].estimates[0].count == 15 * evaluation.chunksDone)
        if batches == 2 { #expect(evaluation.texts[0].estimates == whole.texts[0].estimates) }
        #expect(evaluation.texts[1].estimates[0].count == 0)
    }

    @Test("Any bytes are a text, and one newline at the end is none of it")
    func anyBytes() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<2000).map { UInt8(truncatingIfNeeded: 0x80 &+ $0 &* 37) }
        for model in ["llama2-spm", "qwen2"] {
            let path = try folder.write(bytes, to: "text")
            let ended = try folder.write(bytes + [0x0A], to: "ended")
            let evaluations = try [path, ended].map {
                try evaluate(request([hubFile(model)], texts: [$0])).texts[0]
            }
            #expect(evaluations[0].estimates[0].count > 500)
            #expect(evaluations[0].tokenCount == evaluations[1].tokenCount)
            #expect(evaluations[0].estimates == evaluations[1].estimates)
        }
    }
}
