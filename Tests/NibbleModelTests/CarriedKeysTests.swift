import NibbleCheckpoint
import NibbleModel
import NibbleQuantization
import NibbleTensor
import NibbleTestSupport
import NibbleTokenizer
import Testing

/// What is not needed does not stop a conversion; what is not computed is refused by name.
@Suite("Keys that only computing needs")
struct CarriedKeysTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func convert(
        _ input: String, to output: String, _ type: QuantizationType
    ) throws(CheckpointError) -> ModelCheckpoint {
        var request = ConversionRequest(
            input: input, output: folder.file(output), plan: QuantizationPlan(type), threads: 1)
        request.replacesOutput = true
        try Converter(request).run()
        return try ModelCheckpoint(path: folder.file(output))
    }

    private func open(_ checkpoint: ModelCheckpoint) throws(CheckpointError) -> LanguageModel {
        try LanguageModel(checkpoint, compute: Compute(threads: 1, precision: .f32))
    }

    /// The fixture's GGUF file with other metadata.
    private func changed(
        _ name: String, _ changes: [(String, GGUFValue?)]
    ) throws -> String {
        let source = try GGUFFile(path: Fixtures.path("hub/\(name).expected.gguf"))
        var metadata = source.metadata
        for (key, value) in changes {
            metadata.remove(key)
            if let value { metadata.set(key, value) }
        }
        let layout = try CheckpointLayout.gguf(
            path: folder.file("changed.gguf"), metadata: metadata,
            tensors: source.tensors.map { .init(name: $0.name, shape: $0.shape, type: $0.type) },
            splitSize: nil)
        let writer = try CheckpointWriter(layout, replacing: true)
        for (tensor, place) in zip(source.tensors, layout.placements) {
            try writer.write(tensor.bytes, file: place.file, offset: place.offset)
        }
        try writer.commit(flush: false)
        return layout.path
    }

    /// A key, its value, and whether the model is computed with it.
    static let keys: [(String, GGUFValue, Bool)] = [
        ("rope.scaling.type", .string("yarn"), true), ("rope.scaling.type", .string("longrope"), false),
        ("rope.scaling.type", .string("of tomorrow"), false), ("rope.scaling.factor", .float32(2), true),
        ("rope.scaling.factor", .float32(-2), false), ("rope.scaling.attn_factor", .float32(1.2), true),
        ("rope.scaling.attn_factor", .float32(0), false), ("rope.freq_base", .float32(0), false),
        ("rope.dimension_count", .uint32(4), false), ("attention.causal", .bool(false), false),
        ("attention.layer_norm_rms_epsilon", .float32(0), true), ("expert_count", .uint32(2), false),
        ("nextn_predict_layers", .uint32(1), false), ("attention.value_length", .uint32(64), false),
    ]

    @Test("A GGUF file is quantized whatever they say, and keeps them", arguments: keys)
    func gguf(key: String, value: GGUFValue, isComputed: Bool) throws {
        let key = "qwen3." + key
        let source = try changed("qwen3", [(key, value)])
        let quantized = try convert(source, to: "q.gguf", .q4_0)
        guard case .gguf(let metadata) = quantized.source else { return }
        #expect(try metadata.value(key) == value)
        if isComputed {
            #expect(throws: Never.self) { try open(quantized) }
        } else {
            let error = try #require(#expect(throws: CheckpointError.self) { try open(quantized) })
            #expect(error.code == .unsupported && error.subject == "key '\(key)'", "\(error)")
            // A folder that is made of it would compute something else.
            let refused = #expect(throws: CheckpointError.self) { try convert(source, to: "hub", .bf16) }
            #expect(refused == error || refused?.subject == error.subject)
        }
    }

    static let fields: [(String, String)] = [
        (#""rope_scaling": {"rope_type": "dynamic", "factor": 2.0}"#, "rope_type"),
        (#""is_causal": false"#, "is_causal"), (#""hidden_act": "relu""#, "hidden_act"),
    ]

    @Test("A folder becomes another folder that says the same, and no GGUF file", arguments: fields)
    func hub(field: String, name: String) throws {
        let source = try HubFolder("qwen3")
        let json = try JSONParser.parse(path: folder.write("{\(field)}".utf8, to: "field.json"))
        let member = try #require(json.members?.first)
        // The later of two members would be refused.
        try source.edit("config.json") { $0[member.name] = nil }
        let text = String(decoding: try contents(source.file("config.json")), as: UTF8.self)
        try source.write("{\(field)," + text.dropFirst(), to: "config.json")
        let copy = try convert(source.path, to: "hub", .f16)
        let written = try JSONParser.parse(path: folder.file("hub/config.json"))
        #expect(written[member.name] == member.value)
        for checkpoint in [try ModelCheckpoint(path: source.path), copy] {
            let error = try #require(#expect(throws: CheckpointError.self) { try open(checkpoint) })
            #expect(error.subject == "'\(name)'" && error.path.hasSuffix("config.json"), "\(error)")
        }
        let refused = #expect(throws: CheckpointError.self) { try convert(source.path, to: "q.gguf", .q4_0) }
        #expect(refused?.subject == "'\(name)'")
    }

    @Test("A vocabulary with a hole goes to a folder and comes back")
    func hole() throws {
        let source = try GGUFFile(path: Fixtures.path("hub/qwen2.expected.gguf"))
        var tokens = try #require(try source.metadata.value("tokenizer.ggml.tokens")?.elements)
        var kinds = try #require(try source.metadata.value("tokenizer.ggml.token_type")?.elements)
        // 304 is the first of the tokens behind the vocabulary.
        (tokens[308], kinds[308]) = (.string("[PAD308]"), .int32(5))
        let path = try changed(
            "qwen2",
            [
                ("tokenizer.ggml.tokens", .array(.string, tokens)),
                ("tokenizer.ggml.token_type", .array(.int32, kinds)),
            ])
        let (own, back) = (try ModelCheckpoint(path: path), try convert(path, to: "hub", .bf16))
        let text = "a<|im_end|>b<tool_call></tool_call><|fim_prefix|>c"
        let ids = try [own, back].map { checkpoint in
            try Tokenizer(checkpoint).encode(text, addingSpecial: true, parsingSpecial: true)
        }
        #expect(ids[0] == ids[1] && ids[0].contains(309))
    }
}
