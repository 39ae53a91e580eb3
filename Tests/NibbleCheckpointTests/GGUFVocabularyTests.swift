import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint

@Suite("Vocabulary from GGUF metadata and to a hub folder")
struct GGUFVocabularyTests {
    /// A SentencePiece vocabulary: `<unk>`, `<s>`, `</s>`, then `pieces` with falling scores.
    private static func sentencePiece(_ pieces: [String]) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata.set("tokenizer.ggml.model", .string("llama"))
        metadata.set("tokenizer.ggml.tokens", .strings(["<unk>", "<s>", "</s>"] + pieces))
        let scores = [0, 0, 0] + pieces.indices.map { -Float($0) }
        metadata.set("tokenizer.ggml.scores", .array(.float32, scores.map { .float32($0) }))
        let kinds: [Int32] = [2, 3, 3] + pieces.map { _ in 1 }
        metadata.set("tokenizer.ggml.token_type", .array(.int32, kinds.map { .int32($0) }))
        return metadata
    }

    /// A byte-level vocabulary of `tokens` and `merges`.
    private static func byteLevel(_ tokens: [String], _ merges: [String], _ name: String? = "gpt-2")
        -> GGUFMetadata
    {
        var metadata = GGUFMetadata()
        metadata.set("tokenizer.ggml.model", .string("gpt2"))
        if let name { metadata.set("tokenizer.ggml.pre", .string(name)) }
        metadata.set("tokenizer.ggml.tokens", .strings(tokens))
        metadata.set("tokenizer.ggml.merges", .strings(merges))
        return metadata
    }

    private static func read(_ metadata: GGUFMetadata) throws(CheckpointError) -> Vocabulary {
        try Vocabulary(ggufMetadata: metadata, path: "x.gguf")
    }

    private static func json(
        _ name: String, _ metadata: GGUFMetadata, _ architecture: Architecture = .llama
    ) throws -> JSONValue {
        let files = try read(metadata).hubFiles(
            architecture: architecture, contextLength: 512, path: "x.gguf")
        let file = try #require(files.first { $0.name == name })
        return try file.contents.withUnsafeBytes { try JSONParser.parse($0, path: name) }
    }

    private static func merges(_ metadata: GGUFMetadata) throws -> [[String]] {
        try #require(try json("tokenizer.json", metadata)["model"]?["merges"]?.elements).map {
            try #require($0.elements).compactMap(\.text)
        }
    }

    @Test("Special tokens and flags are read, with SentencePiece's defaults")
    func special() throws {
        var metadata = Self.sentencePiece(["a"])
        let plain = try Self.read(metadata)
        #expect(plain.special.beginning == 1 && plain.special.end == 2 && plain.special.unknown == 0)
        #expect(
            plain.special.padding == nil && plain.special.addsBeginning == nil && plain.addsSpacePrefix == nil
        )
        metadata.set("tokenizer.ggml.padding_token_id", .uint32(3))
        metadata.set("tokenizer.ggml.eot_token_id", .uint32(2))
        metadata.set("tokenizer.ggml.add_eos_token", .bool(true))
        metadata.set("tokenizer.ggml.add_space_prefix", .bool(false))
        let full = try Self.read(metadata)
        #expect(full.special.padding == 3 && full.special.endOfTurn == 2 && full.special.addsEnd == true)
        #expect(full.addsSpacePrefix == false)
        let bytes = try Self.read(Self.byteLevel(["a"], [], nil))
        #expect(bytes.model == .byteLevelBPE(preTokenizer: "default"))
        #expect(
            bytes.special == Vocabulary.SpecialTokens() && bytes.kinds == [.normal] && bytes.scores == nil)
    }

    @Test("Tokens that differ in Unicode composition are two tokens, and an empty one gets a name")
    func composition() throws {
        let vocabulary = try Self.read(Self.sentencePiece(["\u{E9}", "e\u{301}", ""]))
        #expect(vocabulary.tokens.count == 6)
        #expect(vocabulary.tokens.last == "[EMPTY_5]")
    }

    @Test("Merges are all cuts of a token in two tokens: by score, then by length of the left half")
    func merges() throws {
        let pieces = ["abc", "ab", "bc", "éa", "a", "b", "c", "é"]
        #expect(
            try Self.merges(Self.sentencePiece(pieces)) == [
                ["ab", "c"], ["a", "bc"], ["a", "b"], ["b", "c"], ["é", "a"],
            ])
    }

    @Test("Runs of spaces that users defined merge first, spelled U+2581")
    func userDefinedSpaces() throws {
        var metadata = Self.sentencePiece(["\u{2581}a", "  ", "\u{2581}", "a"])
        metadata.set(
            "tokenizer.ggml.token_type", .array(.int32, [2, 3, 3, 1, 4, 1, 1].map { .int32($0) }))
        let scores: [Float] = [0, 0, 0, -1, -1000, -2, -3]
        metadata.set("tokenizer.ggml.scores", .array(.float32, scores.map { .float32($0) }))
        #expect(try Self.merges(metadata) == [["\u{2581}", "\u{2581}"], ["\u{2581}", "a"]])
        let decoder = try Self.json("tokenizer_config.json", metadata)["added_tokens_decoder"]
        #expect(decoder?.members?.map(\.name) == ["4"])
        #expect(decoder?["4"]?["content"] == .string("\u{2581}\u{2581}"))
        #expect(decoder?["4"]?["special"] == .bool(false))
    }

    @Test("Tokens that nest deeply do not make the file explode")
    func nesting() throws {
        let runs = (1...600).map { String(repeating: "a", count: $0) }
        let error = #expect(throws: CheckpointError.self) {
            _ = try Self.json("tokenizer.json", Self.sentencePiece(runs))
        }
        #expect(error?.code == .unsupported)
        #expect(throws: Never.self) {
            _ = try Self.json("tokenizer.json", Self.sentencePiece(Array(runs.prefix(31))))
        }
    }

    @Test("Spaces in merges, which GGUF writes as U+0120, come back")
    func spacesInMerges() throws {
        let metadata = Self.byteLevel(["a", " ", "a ", "\u{120}", "\u{120}a"], ["a \u{120}", "\u{120} a"])
        let error = #expect(throws: CheckpointError.self) { _ = try Self.merges(metadata) }
        #expect(error?.subject == "key 'tokenizer.ggml.merges'")
        #expect(try Self.merges(Self.byteLevel(["a", " ", "a "], ["a \u{120}"])) == [["a", " "]])
    }

    @Test("Several chat templates are read by name and written as a list")
    func chatTemplates() throws {
        var metadata = Self.byteLevel(["a"], [])
        metadata.set("tokenizer.chat_template", .string("D"))
        #expect(try Self.json("tokenizer_config.json", metadata)["chat_template"] == .string("D"))
        metadata.set("tokenizer.chat_templates", .strings(["tool_use"]))
        // One that is not there takes no other along.
        let found = try Self.read(metadata)
        #expect(found.chatTemplates == [.init(source: "D")])
        #expect(found.notes.map(\.subject) == ["key 'tokenizer.chat_template.tool_use'"])
        metadata.set("tokenizer.chat_template.tool_use", .string("T"))
        #expect(
            try Self.read(metadata).chatTemplates == [
                .init(source: "D"), .init(name: "tool_use", source: "T"),
            ])
        #expect(
            try Self.json("tokenizer_config.json", metadata)["chat_template"]
                == .array([
                    .members(["name": .string("default"), "template": .string("D")]),
                    .members(["name": .string("tool_use"), "template": .string("T")]),
                ]))
    }

    @Test("The plain class of transformers is named where another would add tokens")
    func tokenizerClass() throws {
        func name(_ metadata: GGUFMetadata, _ architecture: Architecture) throws -> String? {
            try Self.json("tokenizer_config.json", metadata, architecture)["tokenizer_class"]?.text
        }
        #expect(try name(Self.sentencePiece(["a"]), .llama) == "LlamaTokenizer")
        #expect(try name(Self.sentencePiece(["a"]), .gemma3) == "PreTrainedTokenizerFast")
        #expect(try name(Self.byteLevel(["a"], [], "qwen2"), .qwen3) == "Qwen2Tokenizer")
        #expect(try name(Self.byteLevel(["a"], [], "qwen2"), .llama) == "PreTrainedTokenizerFast")
    }

    /// Key, value that is set (nil removes the key), code, part of the message.
    static let flaws: [(String, GGUFValue?, CheckpointError.Code, String)] = [
        ("tokenizer.ggml.model", nil, .missing, "tokenizer.ggml.model"),
        ("tokenizer.ggml.model", .string("bert"), .unsupported, "bert"),
        ("tokenizer.ggml.model", .uint32(1), .malformed, "expected string"),
        ("tokenizer.ggml.tokens", nil, .missing, "tokenizer.ggml.tokens"),
        ("tokenizer.ggml.tokens", .strings([]), .malformed, "0 elements"),
        ("tokenizer.ggml.tokens", .strings(["a", "b", "a", "c"]), .inconsistent, "elements 0 and 2: 'a'"),
        ("tokenizer.ggml.tokens", .array(.int32, [.int32(1)]), .malformed, "array of int32"),
        ("tokenizer.ggml.scores", .array(.float32, [.float32(0)]), .inconsistent, "has 1 elements"),
        (
            "tokenizer.ggml.scores", .array(.float32, (0..<5).map { .float32($0 == 3 ? .nan : 0) }),
            .invalidValue,
            "nan at 3"
        ),
        ("tokenizer.ggml.scores", .strings(["0"]), .malformed, "expected array of float32"),
        ("tokenizer.ggml.token_type", .array(.int32, [.int32(1)]), .inconsistent, "has 1 elements"),
        ("tokenizer.ggml.token_type", .array(.int32, (0..<5).map { .int32($0 * 3) }), .malformed, "0 at 0"),
        (
            "tokenizer.ggml.token_type", .array(.uint8, (0..<5).map { _ in .uint8(1) }), .malformed,
            "array of int32"
        ),
        ("tokenizer.ggml.eos_token_id", .int32(1), .malformed, "expected uint32"),
        ("tokenizer.ggml.add_bos_token", .uint32(1), .malformed, "expected bool"),
    ]

    @Test("A flaw is an error that names the key", arguments: flaws)
    func flaw(_ key: String, _ value: GGUFValue?, _ code: CheckpointError.Code, _ part: String) {
        var metadata = Self.sentencePiece(["a", "b"])
        metadata.remove(key)
        if let value { metadata.set(key, value) }
        let error = #expect(throws: CheckpointError.self) { try Self.read(metadata) }
        #expect(error?.code == code)
        #expect(error.map(String.init(describing:))?.contains(part) == true, "\(String(describing: error))")
    }

    @Test(
        "A special token that is out of range counts as none, with a note",
        arguments: ["bos", "eos", "padding"])
    func outOfRange(role: String) throws {
        var metadata = Self.sentencePiece(["a", "b"])
        let key = "tokenizer.ggml.\(role)_token_id"
        metadata.set(key, .uint32(5))
        let vocabulary = try Self.read(metadata)
        // What llama.cpp takes for granted stays.
        #expect(vocabulary.special.beginning == 1 && vocabulary.special.end == 2)
        #expect(vocabulary.special.padding == nil)
        #expect(vocabulary.notes.map(\.subject) == ["key '\(key)'"])
        #expect(vocabulary.notes[0].text == "is 5, there are 5 tokens; read as none")
        metadata.set(key, .uint32(4))
        #expect(try Self.read(metadata).notes.isEmpty)
    }

    @Test("A chat template of another type counts as none, with a note: it cuts no text")
    func template() throws {
        var metadata = Self.sentencePiece(["a", "b"])
        metadata.set("tokenizer.chat_template", .bool(true))
        let vocabulary = try Self.read(metadata)
        #expect(vocabulary.chatTemplates.isEmpty)
        #expect(vocabulary.notes.map(\.text) == ["has type bool, expected string; read as none"])
    }

    // Not among the flaws: their values are printed.
    @Test("A token of a megabyte is refused")
    func longToken() {
        let error = #expect(throws: CheckpointError.self) {
            try Self.read(Self.sentencePiece([String(repeating: "a", count: 1 << 20 + 1)]))
        }
        #expect(error?.code == .unsupported)
    }

    @Test("Merges without two halves are errors", arguments: ["", "a", " a", "a ", "ab", " "])
    func badMerge(_ merge: String) throws {
        let error = #expect(throws: CheckpointError.self) {
            try Self.read(Self.byteLevel(["a"], ["b c", merge]))
        }
        #expect(error?.code == .malformed)
        var metadata = Self.byteLevel(["a"], [])
        metadata.remove("tokenizer.ggml.merges")
        #expect(throws: CheckpointError.self) { try Self.read(metadata) }
    }

    @Test("What a hub folder cannot hold is an error that says so")
    func unsupported() throws {
        let pre = #expect(throws: CheckpointError.self) {
            _ = try Self.json("tokenizer.json", Self.byteLevel(["a"], [], "tekken"))
        }
        #expect(pre?.code == .unsupported && pre?.subject == "key 'tokenizer.ggml.pre'")
        var bytes = Self.sentencePiece(["<0x00>"])
        bytes.set("tokenizer.ggml.token_type", .array(.int32, [2, 3, 3, 6].map { .int32($0) }))
        #expect(throws: CheckpointError.self) { _ = try Self.json("tokenizer.json", bytes) }
        var unknowns = Self.sentencePiece(["a"])
        unknowns.set("tokenizer.ggml.token_type", .array(.int32, [2, 2, 3, 1].map { .int32($0) }))
        #expect(throws: CheckpointError.self) { _ = try Self.json("tokenizer.json", unknowns) }
    }
}
