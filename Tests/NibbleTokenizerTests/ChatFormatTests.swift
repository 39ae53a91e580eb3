import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Chat formats")
struct ChatFormatTests {
    private struct Recorded: Decodable {
        let bos: String
        let eos: String
        let cases: [Case]

        struct Case: Decodable {
            let messages: [Message]
            let addsPrompt: Bool
            let text: String
        }

        struct Message: Decodable {
            let role: String
            let content: String
        }
    }

    private func recorded(_ name: String) throws -> Recorded {
        let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("chat.json")))
        return try #require(try JSONDecoder().decode([String: Recorded].self, from: data)[name])
    }

    private func format(_ name: String, beginning: String = "") throws -> ChatFormat {
        let recorded = try recorded(name)
        let path = Fixtures.path("chat/\(name).jinja")
        return try ChatFormat(
            template: try String(contentsOfFile: path, encoding: .utf8),
            tokens: ["bos_token": recorded.bos, "eos_token": recorded.eos], beginning: beginning, path: path)
    }

    @Test(
        "Conversations are rendered as transformers renders them",
        arguments: ["gemma3", "llama3", "smollm2", "thinking", "marked"])
    func rendering(name: String) throws {
        let (recorded, format) = (try recorded(name), try format(name))
        let cut = try self.format(name, beginning: recorded.bos)
        for entry in recorded.cases {
            let messages = entry.messages.map { ChatMessage(role: $0.role, content: $0.content) }
            #expect(try format.render(messages, addingGenerationPrompt: entry.addsPrompt) == entry.text)
            let text = try cut.render(messages, addingGenerationPrompt: entry.addsPrompt)
            let isBegun = entry.text.hasPrefix(recorded.bos)
            #expect(text == (isBegun ? String(entry.text.dropFirst(recorded.bos.count)) : entry.text))
        }
    }

    @Test("A conversation that the template refuses is an error with its words")
    func refused() throws {
        let error = #expect(throws: CheckpointError.self) {
            try format("gemma3").render([.user("a"), .user("b")], addingGenerationPrompt: false)
        }
        #expect(error?.code == .invalidRequest)
        #expect(
            error?.description.contains(
                "refuses the conversation (line 19): Conversation roles must alternate") == true,
            "\(String(describing: error))")
    }

    @Test("A template that cannot be read is an error with the line, a missing one another")
    func unknown() throws {
        let error = #expect(throws: CheckpointError.self) {
            try ChatFormat(template: "a\n{% include 'x' %}", path: "model")
        }
        #expect(error?.code == .unsupported)
        #expect(error?.description == "model, chat template: line 2: statement 'include' is not known")
        var vocabulary = try Tokenizer(path: Fixtures.path("hub/llama2-spm.expected.gguf")).vocabulary
        vocabulary.chatTemplates = []
        let tokenizer = try Tokenizer(vocabulary, path: "model")
        let missing = #expect(throws: CheckpointError.self) { try ChatFormat(tokenizer, path: "model") }
        #expect(missing?.code == .missing)
    }

    /// What the tokens of answers stand for, each run of them on its own.
    private func answers(_ name: String, _ messages: [ChatMessage], _ fixture: String) throws -> [String] {
        let tokenizer = try Tokenizer(path: Fixtures.path("hub/\(fixture).expected.gguf"))
        let first = tokenizer.addsBeginning ? tokenizer.beginning.map { tokenizer.text(of: $0) } ?? "" : ""
        let source = try String(contentsOfFile: Fixtures.path("chat/\(name).jinja"), encoding: .utf8)
        let format = try ChatFormat(
            template: source, tokens: ["bos_token": first, "eos_token": "<|eot_id|>"], beginning: first,
            path: name)
        let chat = try format.tokens(of: Conversation(messages), tokenizer)
        #expect(chat.tokens.count == chat.isAnswer.count)
        let text = try format.render(messages, addingGenerationPrompt: false)
        #expect(chat.tokens == tokenizer.encode(text, addingSpecial: true, parsingSpecial: true))
        var runs: [[Int32]] = []
        for (place, token) in chat.tokens.enumerated() where chat.isAnswer[place] {
            if place > 0, chat.isAnswer[place - 1] {
                runs[runs.count - 1].append(token)
            } else {
                runs.append([token])
            }
        }
        return runs.map {
            String(decoding: $0.flatMap { tokenizer.bytes(of: $0, showingSpecial: true) }, as: UTF8.self)
        }
    }

    @Test("Answers are the contents of the model's turns, and the token that ends them")
    func answers() throws {
        let messages: [ChatMessage] = [
            .user("1 or 2?"), .assistant("1"), .user("Why 1?"), .assistant("  Because 1 < 2.\n"), .user("1"),
            .assistant(""),
        ]
        #expect(
            try answers("gemma3", messages, "gemma3-text") == [
                "1<end_of_turn>", "Because 1 < 2.<end_of_turn>",
            ])
        #expect(try answers("llama3", messages, "llama3") == ["1<|eot_id|>", "Because 1 < 2.<|eot_id|>"])
        #expect(
            try answers("smollm2", messages, "smollm2") == ["1<|im_end|>", "  Because 1 < 2.\n<|im_end|>"])
    }

    @Test("Thoughts that the template drops are no answers")
    func thoughts() throws {
        let messages: [ChatMessage] = [
            .user("a"), .assistant("<think>\nx\n</think>\n\ny"), .user("b"), .assistant("z"),
        ]
        #expect(try answers("thinking", messages, "smollm2") == ["y<|im_end|>", "z<|im_end|>"])
    }

    @Test("Marks of the template count where it has them")
    func marks() throws {
        let messages: [ChatMessage] = [.user("a"), .assistant(" b "), .user("c"), .assistant("d")]
        // A word has the space before it, which the template wrote.
        #expect(try answers("marked", messages, "llama3") == [" b<|eot_id|>", "d<|eot_id|>"])
    }

    @Test("Tokens find their bytes where encoding adds spaces, leaves out or replaces characters")
    func places() throws {
        for fixture in ["llama2-spm", "gemma3-text", "smollm2", "qwen2"] {
            let tokenizer = try Tokenizer(path: Fixtures.path("hub/\(fixture).expected.gguf"))
            let text = Array("Hello  wörld 日本\u{1}\u{10FFFD} \n tail of the text".utf8)
            let tokens = tokenizer.encode(text, addingSpecial: true, parsingSpecial: true)
            let places = tokenizer.places(of: tokens, in: text)
            #expect(places.count == tokens.count)
            for (before, after) in zip(places, places.dropFirst()) {
                #expect(before.upperBound <= after.lowerBound || after.isEmpty)
            }
            #expect(places.last?.upperBound == text.count, "\(fixture)")
        }
    }
}
