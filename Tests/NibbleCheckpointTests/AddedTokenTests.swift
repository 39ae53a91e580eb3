import NibbleCheckpoint
import NibbleTestSupport
import Testing

/// Tokens that files beside tokenizer.json add, as AutoTokenizer of transformers 5.24 numbers them.
@Suite("Added tokens of a byte-level tokenizer")
struct AddedTokenTests {
    /// The tokens behind those of `hub/qwen2`, which has 310 of its own and 320 rows.
    private func tokens(
        _ settings: [String: any Sendable] = [:], added: [String: Int] = [:], map: String? = nil
    ) throws -> (texts: [String], kinds: [Vocabulary.TokenKind], notes: [String]) {
        let folder = try HubFolder("qwen2")
        try folder.edit("tokenizer_config.json") { object in
            object["added_tokens_decoder"] = nil
            for (name, value) in settings { object[name] = value }
        }
        if !added.isEmpty { try folder.edit("added_tokens.json") { $0 = added } }
        if let map { try folder.write(map, to: "special_tokens_map.json") }
        guard case .hub(let description) = try ModelCheckpoint(path: folder.path).source else {
            return ([], [], [])
        }
        let vocabulary = try description.vocabulary()
        let own = Self.own
        return (
            Array(vocabulary.tokens[own...]), Array(vocabulary.kinds[own...]), vocabulary.notes.map(\.text)
        )
    }

    /// Tokens that tokenizer.json has itself.
    private static let own = 310

    @Test("Each file alone")
    func single() throws {
        let decoder: [String: any Sendable] = [
            "\(Self.own)": ["content": "<new_call>", "special": false] as [String: any Sendable],
            "\(Self.own + 1)": ["content": "<|end|>", "special": true] as [String: any Sendable],
        ]
        let base = try folderDecoder()
        let listed = try tokens(["added_tokens_decoder": base.merging(decoder) { $1 }])
        #expect(listed.texts.prefix(2) == ["<new_call>", "<|end|>"])
        #expect(listed.kinds.prefix(2) == [.userDefined, .control])
        let file = try tokens(added: ["<think>": Self.own, "[5A]": Self.own + 1])
        #expect(
            file.texts.prefix(2) == ["<think>", "[5A]"]
                && file.kinds.prefix(2) == [.userDefined, .userDefined])
        let additional = try tokens(["additional_special_tokens": ["<b>", "<a>"]])
        #expect(
            additional.texts.prefix(2) == ["<b>", "<a>"]
                && additional.kinds.prefix(2) == [.control, .control])
        let padding = try tokens(["pad_token": "<pad-of-its-own>"])
        #expect(padding.texts.first == "<pad-of-its-own>" && padding.kinds.first == .control)
        let map = try tokens(map: #"{"cls_token": {"content": "<cls-of-its-own>"}}"#)
        #expect(map.texts.first == "<cls-of-its-own>" && map.kinds.first == .control)
    }

    @Test("All at once: those with numbers, then those with roles in their order, then the additional ones")
    func order() throws {
        let found = try tokens(
            [
                "additional_special_tokens": ["<x>"], "sep_token": "<sep-own>", "pad_token": "<pad-own>",
                "image_token": "<image>",
            ], added: ["<think>": Self.own])
        #expect(found.texts.prefix(5) == ["<think>", "<sep-own>", "<pad-own>", "<image>", "<x>"])
    }

    @Test("A number that a file states and the order does not give is noted, and the order counts")
    func moved() throws {
        let found = try tokens(added: ["<think>": Self.own + 4])
        #expect(found.texts.first == "<think>")
        #expect(
            found.notes.contains { $0.contains("'<think>' \(Self.own + 4) -> \(Self.own)") }, "\(found.notes)"
        )
    }

    @Test("A token without a row is noted by number and text")
    func noRow() throws {
        let folder = try HubFolder("qwen2")
        try folder.edit("tokenizer_config.json") {
            $0["additional_special_tokens"] = (0..<20).map { "<new-\($0)>" }
        }
        guard case .hub(let description) = try ModelCheckpoint(path: folder.path).source else { return }
        let note = try #require(try description.vocabulary().notes.first { $0.text.contains("no row") })
        #expect(
            note.text.contains("'vocab_size', which is 320") && note.text.contains("320 '<new-10>'"),
            "\(note)")
    }

    @Test(
        "A number that is none is an error that names the token, whatever the tokenizer is beside",
        arguments: ["qwen2", "llama2-spm"], [true, false])
    func numbers(name: String, hasModel: Bool) throws {
        for number in [-1, Int.max, Int(Int32.max)] as [any Sendable] + [1e300, "7"] {
            let folder = try HubFolder(name)
            if !hasModel { try folder.remove("tokenizer.model") }
            try folder.edit("tokenizer.json") { object in
                var model = object["model"] as? [String: Any] ?? [:]
                var vocabulary = model["vocab"] as? [String: Any] ?? [:]
                vocabulary["the-token"] = number
                model["vocab"] = vocabulary
                object["model"] = model
            }
            guard case .hub(let description) = try ModelCheckpoint(path: folder.path).source else { return }
            let error = try #require(
                #expect(throws: CheckpointError.self) { _ = try description.vocabulary() })
            #expect(error.subject == "token 'the-token'" && error.code == .malformed, "\(error)")
        }
    }

    @Test("The end of a text is the token of that name, wherever it was moved to")
    func movedEnd() throws {
        let folder = try HubFolder("qwen2")
        // 306 by its order.
        try folder.edit("tokenizer.json") { object in
            object["added_tokens"] = (object["added_tokens"] as? [[String: Any]] ?? []).map { token in
                token["content"] as? String == "<|im_end|>" ? token.merging(["id": 315]) { $1 } : token
            }
        }
        try folder.edit("tokenizer_config.json") {
            $0["added_tokens_decoder"] = nil
            $0["eos_token"] = "<|im_end|>"
        }
        guard case .hub(let description) = try ModelCheckpoint(path: folder.path).source else { return }
        let vocabulary = try description.vocabulary()
        let end = try #require(vocabulary.special.end)
        #expect(vocabulary.tokens[end] == "<|im_end|>")
    }

    @Test("An end out of range is one note, whatever the class of the tokenizer takes for granted")
    func endOutOfRange() throws {
        let folder = try HubFolder("qwen2")
        try folder.edit("tokenizer_config.json") {
            $0["eos_token"] = nil
            $0["added_tokens_decoder"] = nil
        }
        try folder.editConfiguration { $0["eos_token_id"] = 99999 }
        guard case .hub(let description) = try ModelCheckpoint(path: folder.path).source else { return }
        let notes = try description.vocabulary().notes
        #expect(notes.map(\.subject) == ["'eos_token_id'"], "\(notes)")
    }

    /// The decoder that the fixture's tokenizer.json stands for.
    private func folderDecoder() throws -> [String: any Sendable] {
        let json = try JSONParser.parse(path: Fixtures.path("hub/qwen2/tokenizer.json"))
        var decoder: [String: any Sendable] = [:]
        for token in json["added_tokens"]?.elements ?? [] {
            guard let id = token["id"]?.integer, let content = token["content"]?.text else { continue }
            let entry: [String: any Sendable] = [
                "content": content, "special": token["special"]?.flag ?? false,
            ]
            decoder["\(id)"] = entry
        }
        return decoder
    }
}
