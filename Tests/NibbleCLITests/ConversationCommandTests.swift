import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble compare and perplexity of conversations")
struct ConversationCommandTests {
    private let folder: TemporaryFolder
    private let model = Fixtures.path("hub/llama3.expected.gguf")
    private let text = Fixtures.path("texts/english.txt")

    init() throws { folder = try TemporaryFolder() }

    @Test("Conversations are scored by their answers, with a page that says so")
    func conversations() throws {
        let line =
            #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho, ho!"}]}"#
        let chats = try folder.write(String(repeating: line + "\n", count: 6).utf8, to: "chats.jsonl")
        let (quantized, page) = (folder.file("q4_0.gguf"), folder.file("page.html"))
        try #require(try CommandLineTool.run(["convert", model, "-o", quantized, "--quiet"]).status == 0)
        let result = try CommandLineTool.run([
            "compare", model, quantized, "--text", "talk=\(chats)", "prose=\(text)", "--context", "64",
            "--chunks", "6", "--precision", "f32", "--report", page,
        ])
        try #require(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("12 chunks and conversations of 64 tokens at most"))
        let html = try String(contentsOfFile: page, encoding: .utf8)
        #expect(html.contains("and of conversations the answers"))
        let alone = try CommandLineTool.run([
            "perplexity", model, "--text", chats, "--context", "64", "--precision", "f32", "--json",
            "--quiet",
        ])
        try #require(alone.status == 0, "\(alone.errors)")
        let json = try Array(alone.output.utf8).withUnsafeBytes { try JSONParser.parse($0, path: "output") }
        #expect(json["chunks"]?.integer == 6)
        #expect(json["documents"]?.integer == 6)
        #expect((json["tokens_evaluated"]?.integer ?? 0) < 6 * 64)
    }
}
