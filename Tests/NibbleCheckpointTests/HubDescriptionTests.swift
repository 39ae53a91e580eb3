import Foundation
import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint

@Suite("Hub folders as GGUF metadata")
struct HubDescriptionTests {
    @Test("Keys, types, values and order are those of llama.cpp's converter", arguments: Fixtures.hubNames)
    func metadata(name: String) throws {
        let expected = try GGUFFile(path: Fixtures.path("hub/\(name).expected.gguf"))
        let count = expected.tensors.reduce(0) { $0 + $1.elementCount }
        let description = try HubDescription(folder: Fixtures.path("hub/\(name)"))
        var notes: [CheckpointNote] = []
        let metadata = try description.ggufMetadata(parameterCount: count, fileType: 32, notes: &notes)
        #expect(metadata.keys == expected.metadata.keys)
        for key in expected.metadata.keys {
            #expect(try metadata.value(key) == expected.metadata.value(key), "\(key)")
        }
    }

    @Test("Without tokenizer.model the vocabulary comes from the merges of tokenizer.json")
    func mergesAsScores() throws {
        let source = Fixtures.path("hub/gemma3-text")
        let folder = try TemporaryFolder()
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            try folder.write(try contents(source + "/" + name), to: name)
        }
        let original = try HubDescription(folder: source).vocabulary()
        let derived = try HubDescription(folder: folder.path).vocabulary()
        #expect(derived.model == .sentencePiece)
        #expect(derived.tokens == original.tokens)
        #expect(derived.kinds == original.kinds)
        let (scores, expected) = (try #require(derived.scores), try #require(original.scores))
        // Only the order of tokens that merges make decides how text is cut.
        let merged = original.tokens.indices.filter {
            original.kinds[$0] == .normal && original.tokens[$0].unicodeScalars.count > 1
        }
        #expect(merged.count > 40)
        #expect(merged.sorted { scores[$0] > scores[$1] } == merged.sorted { expected[$0] > expected[$1] })
    }

    @Test(
        "A size is told with at least two digits",
        arguments: [
            (268_098_176, "268M"), (999, "1.0K"), (96_500, "96K"), (4_300_000_000, "4.3B"), (50, "0.05K"),
        ])
    func sizeLabel(count: Int, label: String) throws {
        let folder = try TemporaryFolder()
        // A size in the folder's name would count; that of the temporary folder is random.
        try folder.makeFolder("model")
        let source = Fixtures.path("hub/llama3")
        for name in ["config.json", "tokenizer.json"] {
            try folder.write(try contents(source + "/" + name), to: "model/" + name)
        }
        var notes: [CheckpointNote] = []
        let metadata = try HubDescription(folder: folder.file("model")).ggufMetadata(
            parameterCount: count, fileType: 32, notes: &notes)
        #expect(try metadata.value("general.size_label")?.text == label)
    }

    @Test(
        "A configuration that GGUF cannot express is a named error",
        arguments: [
            (#""rope_scaling": {"rope_type": "longrope", "factor": 4}"#, "rope_type"),
            (#""rope_scaling": {"rope_type": "yarn"}"#, "factor"),
            (#""model_type": "mistral""#, "model_type"),
            (#""is_causal": false"#, "is_causal"),
            (#""layer_types": ["full_attention", "sliding_attention"]"#, "layer_types"),
            (#""hidden_act": "relu""#, "hidden_act"),
            (#""num_key_value_heads": 3"#, "num_key_value_heads"),
            (#""hidden_size": -1"#, "hidden_size"),
            (#""hidden_size": 1e30"#, "hidden_size"),
            (#""num_hidden_layers": "two""#, "num_hidden_layers"),
            (#""num_hidden_layers": 2000000000"#, "num_hidden_layers"),
            (#""rms_norm_eps": -1e-6"#, "rms_norm_eps"),
        ])
    func refused(field: String, name: String) throws {
        let folder = try TemporaryFolder()
        var members = [
            #""architectures": ["LlamaForCausalLM"]"#, #""hidden_size": 32"#, #""num_hidden_layers": 2"#,
            #""intermediate_size": 64"#, #""num_attention_heads": 4"#, #""vocab_size": 100"#,
        ]
        let key = field.prefix { $0 != ":" }
        members.removeAll { $0.hasPrefix(key + ":") }
        try folder.write("{\((members + [field]).joined(separator: ", "))}".utf8, to: "config.json")
        let error = #expect(throws: CheckpointError.self) {
            let description = try HubDescription(folder: folder.path)
            var notes: [CheckpointNote] = []
            _ = try description.ggufMetadata(parameterCount: 1, fileType: 0, notes: &notes)
        }
        #expect(error?.subject == "'\(name)'")
    }

    /// Fields of config.json, the base of the rotary embedding, its scaling.
    static let rotary: [(String, Double, ModelConfiguration.RopeScaling?)] = [
        (#""rope_theta": 500"#, 500, nil),
        (
            #""rope_scaling": {"type": "linear", "factor": 2, "rope_theta": 700}, "rope_theta": 500"#, 700,
            .linear(factor: 2)
        ),
        // `rope_scaling` counts unless it is empty.
        (
            #""rope_parameters": {"rope_type": "default", "rope_theta": 300}, "rope_scaling": {"rope_type": "linear", "factor": 2}"#,
            10000, .linear(factor: 2)
        ),
        (
            #""rope_parameters": {"rope_type": "linear", "factor": 4, "rope_theta": 300}, "rope_scaling": {}"#,
            300,
            .linear(factor: 4)
        ),
        (#""rope_scaling": {"rope_type": "default", "type": "linear", "factor": 2}"#, 10000, nil),
        (
            #""rope_scaling": {"type": "yarn", "factor": 4}, "max_position_embeddings": 100"#, 10000,
            .yarn(YaRN(factor: 4, originalContext: 100))
        ),
        (
            #""rope_scaling": {"type": "yarn", "factor": null, "original_max_position_embeddings": 25}, "max_position_embeddings": 100"#,
            10000, .yarn(YaRN(factor: 4, originalContext: 25))
        ),
        (
            #""original_max_position_embeddings": 50, "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 25}"#,
            10000, .yarn(YaRN(factor: 4, originalContext: 50))
        ),
    ]

    @Test("Rotary scaling is what transformers makes of the fields", arguments: rotary)
    func rope(fields: String, base: Double, scaling: ModelConfiguration.RopeScaling?) throws {
        let text = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64,
             "num_attention_heads": 4, "vocab_size": 100, "rms_norm_eps": 0, \(fields)}
            """
        let folder = try TemporaryFolder()
        try folder.write(text.utf8, to: "config.json")
        let configuration = try HubDescription(folder: folder.path).configuration
        #expect(configuration.ropeBase == base && configuration.ropeScaling == scaling)
    }

    @Test("A pre-tokenizer that is not known is an error that shows it")
    func unknownPreTokenizer() throws {
        let folder = try TemporaryFolder()
        let source = Fixtures.path("hub/llama3")
        try folder.write(try contents(source + "/config.json"), to: "config.json")
        let text = String(decoding: try contents(source + "/tokenizer.json"), as: UTF8.self)
        try folder.write(text.replacingOccurrences(of: "{1,3}", with: "{1,2}").utf8, to: "tokenizer.json")
        let error = #expect(throws: CheckpointError.self) {
            _ = try HubDescription(folder: folder.path).vocabulary()
        }
        #expect(error?.problem.contains("{1,2}") == true)
    }
}
