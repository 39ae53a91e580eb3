import NibbleCheckpoint
import NibbleNumerics
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("Trained vectors and provenance in an export")
struct ExportConventionTests {
    static let provenance = Provenance(
        teacherName: "tiny", teacherDigest: "ab12", plan: "q4_0", recipeDigest: "cd34", textDigest: "ef56",
        steps: 3, tokens: 1536, seed: 7, nibbleVersion: "0.3.0", perplexities: ["trained": 24.5])

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func convert(
        _ input: String, to name: String, _ type: QuantizationType,
        change: (inout ConversionRequest) -> Void = { _ in }
    ) throws {
        var request = ConversionRequest(
            input: input, output: folder.file(name), plan: QuantizationPlan(type), threads: 2)
        request.replacesOutput = true
        change(&request)
        try Converter(request).run()
    }

    private func vector(_ path: String, _ role: TensorRole) throws -> [Float] {
        let model = try ModelCheckpoint(path: path)
        return try #require(model.tensors.first { $0.role == role }).entry.floats()
    }

    @Test(
        "Norms are in the model's convention whatever the source and the output",
        arguments: [
            "hub/gemma3-text", "hub/gemma3-text.expected.gguf", "hub/qwen3", "hub/llama3.expected.gguf",
        ])
    func norms(source: String) throws {
        let role = TensorRole(.outputNorm)
        let count = try vector(Fixtures.path(source), role).count
        // Between 0.5 and 2, so that one less and one more are exact.
        let values = (0..<count).map { 0.75 + Float($0) / 512 }
        let change: (inout ConversionRequest) -> Void = { $0.replacements = [role: .vector(values)] }
        try convert(Fixtures.path(source), to: "direct.gguf", .q4_0, change: change)
        #expect(try vector(folder.file("direct.gguf"), role) == values)
        for type in [QuantizationType.f32, .bf16] {
            try convert(Fixtures.path(source), to: "folder", type, change: change)
            let stored = source.contains("gemma") ? values.map { $0 - 1 } : values
            #expect(try vector(folder.file("folder"), role) == stored, "\(type)")
            try convert(folder.file("folder"), to: "again.gguf", .q4_0)
            #expect(try vector(folder.file("again.gguf"), role) == values, "\(type)")
        }
    }

    @Test("Biases of Llama's queries move with their rows")
    func biases() throws {
        let source = Fixtures.path("hub-logits/llama-rope-biases")
        let role = TensorRole(.attentionQuery, layer: 0, part: .bias)
        let trained = try vector(source, role).map { $0 + 0.25 }
        try convert(source, to: "export.gguf", .f32) { $0.replacements = [role: .vector(trained)] }
        try convert(source, to: "source.gguf", .f32)
        let expected = try vector(folder.file("source.gguf"), role).map { $0 + 0.25 }
        #expect(try vector(source, role) != vector(folder.file("source.gguf"), role))
        #expect(try vector(folder.file("export.gguf"), role) == expected)
    }

    @Test("Provenance stands in every form of output and survives every further conversion")
    func provenance() throws {
        let source = Fixtures.path("hub/smollm2")
        try convert(source, to: "a.gguf", .q4_0) { $0.provenance = Self.provenance }
        try convert(folder.file("a.gguf"), to: "b.gguf", .q8_0)
        try convert(folder.file("b.gguf"), to: "c", .f32)
        try convert(folder.file("c"), to: "d.gguf", .q4_0)
        try convert(folder.file("c"), to: "e", .bf16) { $0.splitSize = 20_000 }
        for name in ["a.gguf", "b.gguf", "c", "d.gguf", "e"] {
            let model = try ModelCheckpoint(path: folder.file(name))
            #expect(try model.provenance() == Self.provenance, "\(name)")
            #expect(try CheckpointInspection(path: folder.file(name)).provenance == Self.provenance)
        }
        let shards = try SafetensorsCheckpoint(path: folder.file("e")).files
        #expect(shards.count > 1)
        for shard in shards {
            #expect(shard.metadata["format"] == "pt")
            #expect(shard.metadata["nibble.qat.steps"] == "3")
        }
        let configuration = String(decoding: try contents(folder.file("c/config.json")), as: UTF8.self)
        #expect(!configuration.contains("nibble"))
        #expect(try ModelCheckpoint(path: source).provenance() == nil)
    }

    @Test("A newer provenance takes the place of the source's")
    func newerProvenance() throws {
        var newer = Self.provenance
        newer.perplexities = ["teacher": 20]
        newer.steps = 9
        try convert(Fixtures.path("hub/qwen2"), to: "a", .f32) { $0.provenance = Self.provenance }
        for (input, output) in [("a", "b.gguf"), ("a", "b"), ("b.gguf", "c.gguf")] {
            try convert(folder.file(input), to: output, .f32) { $0.provenance = newer }
            #expect(try ModelCheckpoint(path: folder.file(output)).provenance() == newer, "\(output)")
        }
    }
}
