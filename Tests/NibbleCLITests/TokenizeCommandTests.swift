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
}
