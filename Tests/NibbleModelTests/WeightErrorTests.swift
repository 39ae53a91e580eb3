import NibbleCheckpoint
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Errors of weights")
struct WeightErrorTests {
    private func model(_ path: String, threads: Int = 2) throws -> LanguageModel {
        try LanguageModel(
            ModelCheckpoint(path: path), compute: Compute(threads: threads, precision: .f32))
    }

    @Test(
        "of a folder and the GGUF file made of it are none, whose rows of query and key are permuted",
        arguments: ["gemma3-text", "llama3"])
    func same(name: String) throws {
        let (folder, file) = (
            try model(Fixtures.path("hub/\(name)")), try model(Fixtures.path("hub/\(name).expected.gguf"))
        )
        for errors in [
            try #require(file.weightErrors(from: folder)), try #require(folder.weightErrors(from: file)),
        ] {
            #expect(
                errors.count == 1 + 7 * folder.configuration.layerCount
                    + (folder.configuration.tiesEmbeddings ? 0 : 1))
            #expect(errors.allSatisfy { $0.relative == 0 }, "\(errors.filter { $0.relative != 0 })")
        }
    }

    @Test("are those of its codes where a model is rounded, on any number of threads")
    func rounded() throws {
        let folder = try TemporaryFolder()
        let (source, output) = (Fixtures.path("hub/llama3"), folder.file("q.gguf"))
        var plan = QuantizationPlan(.q4_0)
        plan.isPure = true
        try Converter(
            ConversionRequest(
                input: source, output: output, exporter: CheckpointExporters.gguf, plan: plan, threads: 1)
        ).run()
        let errors = try #require(try model(output).weightErrors(from: model(source)))
        let again = try #require(try model(output, threads: 1).weightErrors(from: model(source, threads: 1)))
        #expect(errors == again)
        #expect(errors.first?.name == "token_embd.weight")
        #expect(errors.contains { $0.name == "blk.0.attn_q.weight" })
        // Of 16 levels, of weights that are normally distributed: some 8 %. Rows of 16 values fit no block and are F16.
        for error in errors {
            #expect(
                error.role.kind == .attentionOutput
                    ? error.relative == 0 : (0.03..<0.15).contains(error.relative), "\(error)")
        }
    }

    @Test("of models of other shapes are none")
    func shapes() throws {
        #expect(
            try model(Fixtures.path("hub/llama3")).weightErrors(from: model(Fixtures.path("hub/qwen3")))
                == nil)
    }
}
