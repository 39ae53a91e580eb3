import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Hub files from GGUF metadata")
struct HubFilesTests {
    /// What the files of a fixture's GGUF are made of.
    private struct Model {
        let configuration: ModelConfiguration
        let vocabulary: Vocabulary
        let files: [String: [UInt8]]

        init(_ name: String) throws {
            let path = Fixtures.path("hub/\(name).expected.gguf")
            let file = try GGUFFile(path: path)
            configuration = try ModelConfiguration(
                ggufMetadata: file.metadata, path: path,
                hasOutputTensor: file.tensors.contains { $0.name == "output.weight" },
                ropeFrequencyFactors: file.tensors.first { $0.name == "rope_freqs.weight" }.map { tensor in
                    stride(from: tensor.range.lowerBound, to: tensor.range.upperBound, by: 4).map {
                        file.file.bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
                    }
                })
            vocabulary = try Vocabulary(ggufMetadata: file.metadata, path: path)
            let files = try HubFile.all(
                configuration: configuration, vocabulary: vocabulary, type: .bf16, metadata: file.metadata,
                path: path)
            self.files = Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.contents) })
        }

        func json(_ name: String) throws -> JSONValue {
            try #require(files[name]).withUnsafeBytes { try JSONParser.parse($0, path: name) }
        }
    }

    /// The text model's part of a fixture's config.json.
    private static func original(_ name: String) throws -> JSONValue {
        let json = try JSONParser.parse(path: Fixtures.path("hub/\(name)/config.json"))
        return json["text_config"] ?? json
    }

    @Test("config.json says what the original says", arguments: Fixtures.hubNames)
    func configuration(name: String) throws {
        let (ours, theirs) = (try Model(name).json("config.json"), try Self.original(name))
        let numbers = [
            "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads",
            "head_dim", "max_position_embeddings", "vocab_size", "rms_norm_eps", "rope_theta",
            "sliding_window",
            "query_pre_attn_scalar", "rope_local_base_freq", "bos_token_id", "sliding_window_pattern",
        ]
        for key in numbers {
            guard let expected = theirs[key]?.real, name != "qwen2" || key != "sliding_window" else {
                continue
            }
            #expect(ours[key]?.real == expected, "\(key)")
        }
        if let tied = theirs["tie_word_embeddings"] { #expect(ours["tie_word_embeddings"] == tied) }
        if let layers = theirs["layer_types"] { #expect(ours["layer_types"] == layers) }
        if let type = theirs["model_type"] { #expect(ours["model_type"] == type) }
        let scaling = theirs["rope_parameters"]?["full_attention"] ?? theirs["rope_parameters"]
        for member in (theirs["rope_scaling"] ?? scaling)?.members ?? [] where member.name != "rope_theta" {
            let found = ours["rope_scaling"]?[member.name]
            #expect(found == member.value || found?.real == member.value.real, "\(member.name)")
        }
    }

    @Test("tokenizer.json has the original's tokens, merges and stages", arguments: Fixtures.hubNames)
    func tokenizer(name: String) throws {
        let ours = try Model(name).json("tokenizer.json")
        let theirs = try JSONParser.parse(path: Fixtures.path("hub/\(name)/tokenizer.json"))
        #expect(ours["model"]?["merges"] == theirs["model"]?["merges"])
        for key in ["type", "fuse_unk", "byte_fallback", "ignore_merges", "unk_token"] {
            #expect(ours["model"]?[key] == theirs["model"]?[key], "\(key)")
        }
        var vocabulary = Dictionary(
            uniqueKeysWithValues: (theirs["model"]?["vocab"]?.members ?? []).map {
                (Array($0.name.utf8), $0.value)
            })
        for token in theirs["added_tokens"]?.elements ?? [] {
            vocabulary[Array(try #require(token["content"]?.text).utf8)] = token["id"]
        }
        let written = (ours["model"]?["vocab"]?.members ?? []).map { (Array($0.name.utf8), $0.value) }
        #expect(Dictionary(uniqueKeysWithValues: written) == vocabulary)
        #expect(ours["normalizer"] == theirs["normalizer"])
        #expect(ours["decoder"] == theirs["decoder"])
        if name.hasPrefix("llama3") || name == "smollm2" {
            #expect(ours["pre_tokenizer"] == theirs["pre_tokenizer"])
        }
    }

    @Test("The same vocabulary gives the same bytes", arguments: ["gemma3-text", "smollm2"])
    func deterministic(name: String) throws {
        #expect(try Model(name).files == Model(name).files)
    }

    @Test("Rows without a token are counted but not listed")
    func pads() throws {
        let model = try Model("qwen2")
        #expect(model.vocabulary.tokens.last == "[PAD319]")
        #expect(try model.json("config.json")["vocab_size"]?.integer == 320)
        #expect(try model.json("tokenizer.json")["model"]?["vocab"]?.members?.count == 310)
    }

    @Test("tokenizer.model spells spaces of user-defined tokens as U+2581 and lists tokens with their kinds")
    func sentencePiece() throws {
        let model = try Model("gemma3-text")
        let pieces = try Piece.all(in: try #require(model.files["tokenizer.model"]))
        #expect(pieces.count == 448)
        for (id, piece) in pieces.enumerated() {
            let token = model.vocabulary.tokens[id]
            let isUserDefined = model.vocabulary.kinds[id] == .userDefined
            #expect(
                piece.text
                    == (isUserDefined ? Array(token.map { $0 == " " ? "\u{2581}" : $0 }) : Array(token)))
            // Listed tokens have lost their score in GGUF.
            let score = model.vocabulary.scores?[id]
            #expect(piece.score == (score == -1000 ? 0 : score))
            let unknown = model.vocabulary.special.unknown
            #expect(piece.kind == (id == unknown ? 2 : Int(model.vocabulary.kinds[id].rawValue)))
        }
        #expect(model.vocabulary.tokens.contains("  "))
    }

    @Test("A user-defined token that looks special stands in added_tokens.json, where its kind survives")
    func addedTokens() throws {
        let model = try Model("llama2-spm")
        #expect(try model.json("added_tokens.json") == .members(["<pad>": .integer(400)]))
        #expect(try model.json("tokenizer_config.json")["added_tokens_decoder"] == nil)
    }

    @Test("Generation ends at the end of a turn too")
    func generation() throws {
        let gemma = try Model("gemma3-text").json("generation_config.json")
        #expect(gemma["eos_token_id"] == .array([.integer(1), .integer(9)]))
        #expect(gemma["top_k"] == .integer(64))
        #expect(gemma["top_p"] == .number("0.95"))
        let llama = try Model("llama3").json("generation_config.json")
        #expect(llama["eos_token_id"] == .array([.integer(295), .integer(291)]))
    }

    @Test("The model card holds what the converter reads from it")
    func card() throws {
        let text = String(decoding: try #require(try Model("smollm2").files["README.md"]), as: UTF8.self)
        #expect(
            text == """
                ---
                license: apache-2.0
                name: Smollm2
                language:
                - en
                base_model:
                - HuggingFaceTB/SmolLM2-135M
                datasets:
                - HuggingFaceTB/smoltalk
                pipeline_tag: text-generation
                tags:
                - nibble-test
                ---

                """)
    }
}

/// A piece of tokenizer.model.
private struct Piece {
    var text: [Character] = []
    var score: Float = 0
    var kind = 1

    /// The pieces of a SentencePiece model, which stand first in the file.
    static func all(in file: [UInt8]) throws -> [Piece] {
        var pieces: [Piece] = []
        var rest = file[...]
        while let message = field(1, &rest) {
            var piece = Piece()
            var inner = message
            piece.text = Array(String(decoding: try #require(field(1, &inner)), as: UTF8.self))
            #expect(Array(inner.prefix(1)) == [2 << 3 | 5])
            inner = inner.dropFirst()
            piece.score = Float(bitPattern: inner.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
            inner = inner.dropFirst(4)
            if let kind = inner.popLast() {
                #expect(Array(inner) == [3 << 3])
                piece.kind = Int(kind)
            }
            pieces.append(piece)
        }
        return pieces
    }

    /// The bytes of the field at the front, where it has that number.
    private static func field(_ number: UInt8, _ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard bytes.first == number << 3 | 2 else { return nil }
        bytes.removeFirst()
        var (length, shift) = (0, 0)
        while let byte = bytes.popFirst() {
            length |= Int(byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 { break }
        }
        defer { bytes = bytes.dropFirst(length) }
        return bytes.prefix(length)
    }
}
