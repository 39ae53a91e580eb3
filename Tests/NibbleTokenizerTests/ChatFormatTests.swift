import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Chat formats")
struct ChatFormatTests {
    private struct Recorded: Decodable {
        let format: String
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

    @Test(
        "Conversations are rendered as transformers renders the models' templates",
        arguments: ["gemma3", "llama3", "smollm2"])
    func rendering(name: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("chat.json")))
        let recorded = try #require(try JSONDecoder().decode([String: Recorded].self, from: data)[name])
        let path = Fixtures.path("chat/\(name).jinja")
        let format = try ChatFormat(template: try String(contentsOfFile: path, encoding: .utf8), path: path)
        #expect(format.rawValue == recorded.format)
        for entry in recorded.cases {
            let messages = entry.messages.map { ChatMessage(role: $0.role, content: $0.content) }
            #expect(format.render(messages, addingGenerationPrompt: entry.addsPrompt) == entry.text)
        }
    }

    @Test("Formats are told apart as llama.cpp does")
    func recognition() throws {
        func format(_ template: String) -> ChatFormat? { try? ChatFormat(template: template, path: "test") }
        #expect(format("llama3") == .llama3)
        #expect(format("{{ '<|im_start|>' }}") == .chatML)
        #expect(format("{{ '<|im_start|>' }}<|im_sep|>") == nil)
        #expect(format("{{ '<start_of_turn>' }}") == .gemma)
        #expect(format("[INST] <start_of_turn>") == nil)
        #expect(format("<|start_header_id|><|end_header_id|>") == .llama3)
        #expect(format("<|start_header_id|>") == nil)
    }

    @Test("An unknown template is an error that lists the known formats, a missing one another")
    func unknown() throws {
        let error = #expect(throws: CheckpointError.self) {
            try ChatFormat(template: "{{ x }}", path: "model")
        }
        #expect(error?.code == .unsupported)
        #expect(error?.description.contains("gemma, llama3, chatml") == true)
        let tokenizer = try Tokenizer(path: Fixtures.path("hub/llama2-spm.expected.gguf"))
        #expect(throws: CheckpointError.self) { try ChatFormat(tokenizer.vocabulary, path: "model") }
        var vocabulary = tokenizer.vocabulary
        vocabulary.chatTemplates = []
        let missing = #expect(throws: CheckpointError.self) { try ChatFormat(vocabulary, path: "model") }
        #expect(missing?.code == .missing)
    }
}
