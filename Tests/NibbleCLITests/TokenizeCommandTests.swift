import Foundation
import NibbleTestSupport
import Testing

@Suite("nibble tokenize")
struct TokenizeCommandTests {
    private func run(_ text: String, _ flags: [String]) throws -> CommandLineTool.Result {
        let folder = try TemporaryFolder()
        let file = folder.file("text")
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        let model = Fixtures.path("tokens/sentencepiece.gguf")
        return try CommandLineTool.run(["tokenize", model, "--text", file] + flags)
    }

    @Test("Prints id and text of one token a line, and their number to standard error")
    func lines() throws {
        let result = try run("in\u{1}\n\\", [])
        #expect(result.status == 0)
        #expect(result.output.hasPrefix("1\t<s>\n"))
        #expect(result.output.contains("\\x01\n"))
        #expect(result.output.hasSuffix("\t\\\\\n2\t</s>\n"))
        #expect(result.errors == "\(result.output.split(separator: "\n").count) tokens\n")
    }

    @Test("Prints ids alone, without and with special tokens")
    func ids() throws {
        #expect(try run("", ["--ids"]).output == "1\n2\n")
        #expect(try run("", ["--ids", "--no-special"]).output == "")
        #expect(try run("</s>", ["--ids", "--no-special", "--parse-special"]).output == "2\n")
        #expect(try run("</s>", ["--ids", "--no-special"]).output != "2\n")
    }

    @Test("Prints JSON")
    func json() throws {
        let result = try run("a \"b\"\n", ["--json"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let tokens = try #require(object["tokens"] as? [[String: Any]])
        #expect(object["count"] as? Int == tokens.count)
        #expect(tokens.first?["text"] as? String == "<s>")
    }

    @Test("A text that is not there is an error")
    func missing() throws {
        let model = Fixtures.path("tokens/sentencepiece.gguf")
        let result = try CommandLineTool.run(["tokenize", model, "--text", "/nowhere/text"])
        #expect(result.status == 1)
        #expect(result.errors.contains("/nowhere/text: cannot open: No such file"))
    }
    @Test("Conversations are written by the chat template, and tokens of answers marked")
    func chat() throws {
        let folder = try TemporaryFolder()
        let line =
            #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho ho"}]}"#
        let chats = try folder.write((line + "\n\n" + line + "\n").utf8, to: "chats.jsonl")
        let model = Fixtures.path("hub/gemma3-text.expected.gguf")
        let result = try CommandLineTool.run(["tokenize", model, "--text", chats, "--chat"])
        try #require(result.status == 0, "\(result.errors)")
        let parts = result.output.components(separatedBy: "\n\n")
        #expect(parts.count == 2)
        #expect(parts[0] + "\n" == parts[1])
        let rows = parts[0].split(separator: "\n").map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).dropFirst()
        }
        let answer = rows.filter { $0.last == "answer" }.compactMap(\.first).joined()
        #expect(answer == "Ho ho<end_of_turn>")
        #expect(rows.compactMap(\.first).joined().hasSuffix("Ho ho<end_of_turn>\\n"))
        #expect(result.errors.hasPrefix("2 conversations, \(2 * rows.count) tokens, "))
        let json = try CommandLineTool.run(["tokenize", model, "--text", chats, "--chat", "--json"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        let conversations = try #require(object["conversations"] as? [[String: Any]])
        #expect(conversations.map { $0["line"] as? Int } == [1, 3])
        let alone = try CommandLineTool.run(["tokenize", model, "--chat"])
        #expect(alone.status == 64)
        #expect(alone.errors.contains("--chat needs --text FILE.jsonl"))
    }
}
