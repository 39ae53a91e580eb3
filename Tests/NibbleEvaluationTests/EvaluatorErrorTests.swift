import Foundation
import NibbleCheckpoint
import NibbleEvaluation
import NibbleModel
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Evaluations that cannot be made")
struct EvaluatorErrorTests {
    private func error(_ request: EvaluationRequest) throws -> CheckpointError {
        try #require(#expect(throws: CheckpointError.self) { try evaluate(request) })
    }

    private func expect(
        _ request: EvaluationRequest, _ code: CheckpointError.Code, _ path: String, _ parts: String...,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let error = try error(request)
        #expect(error.code == code, "\(error)", sourceLocation: location)
        #expect(error.path == path, "\(error)", sourceLocation: location)
        for part in parts {
            #expect(error.description.contains(part), "\(error)", sourceLocation: location)
        }
    }

    @Test("A text shorter than two contexts")
    func short() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("A text of a few words.".utf8, to: "short.txt")
        try expect(
            request([hubFile("llama3")], texts: [path]), .invalidRequest, path, "64 are needed",
            "smaller context")
        // The second of two texts, too.
        try expect(
            request([hubFile("llama3")], texts: [textFile("english"), path]), .invalidRequest, path)
    }

    @Test("An empty text", arguments: ["", "\n"])
    func empty(text: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(text.utf8, to: "empty.txt")
        // BOS alone.
        try expect(
            request([hubFile("llama2-spm")], texts: [path]), .invalidRequest, path, "has 1 tokens")
        try expect(request([hubFile("qwen3")], texts: [path]), .invalidRequest, path, "has 0 tokens")
    }

    @Test("A text that is missing, or a folder without any")
    func noText() throws {
        let folder = try TemporaryFolder()
        let missing = folder.file("none.txt")
        try expect(
            request([hubFile("llama3")], texts: [missing]), .inputOutput, missing, "No such file")
        try expect(
            request([hubFile("llama3")], texts: [folder.path]), .invalidRequest, folder.path, "holds no text")
    }

    @Test("A model that is missing")
    func noModel() throws {
        let path = try TemporaryFolder().file("none.gguf")
        #expect(try error(request([path])).path == path)
        #expect(try error(request([hubFile("llama3"), path])).path == path)
    }

    @Test("A context that is longer than the model's is noted, as llama-perplexity warns")
    func context() throws {
        func notes(_ request: EvaluationRequest) throws -> [String] {
            let evaluator = try Evaluator(request)
            #expect(try evaluator.run().chunksDone > 0)
            return evaluator.notes.map { "\($0.path): \($0.text.prefix(60))" }
        }
        let model = hubFile("gemma3-text")
        #expect(try notes(request([model], context: 256)) == [])
        let one = try notes(request([model], context: 257))
        #expect(one.count == 1 && one[0].hasPrefix("\(model): was made for 256 tokens, the context is 257;"))
        // The shorter of two.
        let (long, short) = (hubFile("gemma3-multimodal-old"), hubFile("gemma3-multimodal-new"))
        let both = try notes(request([long, short], context: 600))
        #expect(both.count == 1 && both[0].hasPrefix("\(short): "), "\(both)")
        // A stride rounds the window up.
        var strided = request([model], context: 256)
        strided.stride = 2
        #expect(try notes(strided).first?.contains("the context is 512") == true)
    }

    @Test("Parameters out of range")
    func parameters() throws {
        var stride = request([hubFile("llama3")])
        stride.stride = 256
        try expect(stride, .invalidRequest, textFile("english"), "stride of 256")
        stride.stride = 0
        try expect(stride, .invalidRequest, textFile("english"), "stride of 0")
        var limit = request([hubFile("llama3")])
        limit.chunkLimit = 0
        try expect(limit, .invalidRequest, textFile("english"), "limit of 0")
        try expect(
            request([hubFile("llama3")], context: 2), .invalidRequest, textFile("english"), "context of 2")
    }

    @Test("Models whose tokenizers differ")
    func tokenizers() throws {
        for (base, model) in [
            ("llama2-spm", "llama3"), ("gemma3-text", "llama2-spm"), ("llama3", "llama3-new"),
        ] {
            try expect(
                request([hubFile(base), hubFile(model)]), .inconsistent, hubFile(model), "tokenizer",
                "other tokens than \(hubFile(base)) does, from token ")
        }
    }

    @Test("Models of vocabularies of different sizes, though the text has the same tokens in both")
    func vocabularies() throws {
        try expect(
            request([hubFile("qwen2"), hubFile("qwen3")]), .inconsistent, hubFile("qwen3"), "one vocabulary")
        let compute = Compute(threads: 1)
        let models = try ["qwen2", "qwen3"].map {
            try LanguageModel(ModelCheckpoint(path: hubFile($0)), compute: compute)
        }
        let error = #expect(throws: CheckpointError.self) {
            _ = try Evaluator(
                models, texts: [("a", [Int32](repeating: 1, count: 64))], context: 32, bos: nil)
        }
        #expect(error?.code == .inconsistent)
        #expect(error?.description.contains("one vocabulary") == true)
    }

    @Test(
        "NaN among the weights is reported with the block",
        arguments: Precision.allCases.filter(\.isSupported))
    func notANumber(precision: Precision) throws {
        let folder = try TemporaryFolder()
        let source = try GGUFFile(path: hubFile("qwen3"))
        for (name, place) in [
            ("blk.1.ffn_down.weight", "block 1 (of 0 to 1)"), ("blk.0.attn_v.weight", "block 0 (of 0 to 1)"),
            ("output.weight", "vocabulary head"), ("output_norm.weight", "tensor 'output_norm.weight'"),
        ] {
            var bytes = try contents(hubFile("qwen3"))
            let tensor = try #require(source.tensors.first { $0.name == name }, "\(name)")
            // Quiet NaN as BF16, or as the upper half of F32.
            let width = tensor.type == .f32 ? 4 : 2
            let end = tensor.range.lowerBound + width
            bytes.replaceSubrange(end - 2..<end, with: [0xC0, 0x7F])
            let path = try folder.write(bytes, to: "nan.gguf")
            try expect(request([path], precision: precision), .invalidValue, path, place)
            try expect(request([hubFile("qwen3"), path], precision: precision), .invalidValue, path, place)
        }
    }
}
