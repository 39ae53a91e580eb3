import Foundation
import NibbleCheckpoint
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("nibble imatrix")
struct ImatrixCommandTests {
    private let folder: TemporaryFolder
    private let model = Fixtures.path("hub/llama3.expected.gguf")
    private let text = Fixtures.path("texts/english.txt")

    init() throws { folder = try TemporaryFolder() }

    private func measure(_ output: String, _ arguments: String...) throws -> CommandLineTool.Result {
        try CommandLineTool.run(
            ["imatrix", model, "--text", text, "-c", "32", "-o", folder.file(output), "--quiet"] + arguments)
    }

    private func json(_ result: CommandLineTool.Result) throws -> JSONValue {
        try #require(result.status == 0, "\(result.errors)")
        return try Array(result.output.utf8).withUnsafeBytes { try JSONParser.parse($0, path: "output") }
    }

    @Test("writes a file that conversions take, and says what is in it")
    func measured() throws {
        let result = try json(try measure("a.gguf", "--chunks", "20", "--json"))
        #expect(result["chunks"]?.integer == 20 && result["tokens"]?.integer == 640)
        #expect(result["measured_chunks"]?.integer == 20 && result["resumed_chunks"]?.integer == 0)
        let converted = try CommandLineTool.run([
            "convert", model, "-o", folder.file("q.gguf"), "--imatrix", folder.file("a.gguf"), "--quiet",
        ])
        #expect(converted.status == 0, "\(converted.errors)")
        let again = try measure("a.gguf")
        #expect(again.status == 1 && again.errors.contains("--force"))
        let lines = try measure("a.gguf", "--force", "--chunks", "4")
        #expect(lines.status == 0 && lines.output.contains("4 chunks, 128 tokens"))
    }

    @Test("puts files together without a model")
    func merged() throws {
        #expect(try measure("a.gguf", "--chunks", "4").status == 0)
        #expect(try measure("b.dat", "--chunks", "8", "--skip", "4").status == 0)
        let result = try json(
            try CommandLineTool.run([
                "imatrix", "--add", folder.file("a.gguf"), "--add", folder.file("b.dat"), "-c", "32", "-o",
                folder.file("c.gguf"), "--json",
            ]))
        #expect(result["chunks"]?.integer == 8 && result["tokens"]?.integer == 256)
        #expect(result["measured_chunks"] == nil)
    }

    @Test("shows statistics")
    func statistics() throws {
        let path = Fixtures.path("imatrix/llama3.gguf")
        let result = try CommandLineTool.run(["imatrix", path, "--statistics"])
        #expect(result.status == 0 && result.output.contains("blk.0.attn_q.weight"))
        let rows = try #require(
            try json(try CommandLineTool.run(["imatrix", path, "--statistics", "--json"])).elements)
        #expect(rows.count == (try ImportanceMatrix(path: path)).weights.count)
        #expect(rows[0]["tensor"]?.text == "blk.0.attn_k.weight" && (rows[0]["sum"]?.real ?? 0) > 0)
    }

    @Test(
        "says what is missing",
        arguments: [
            (["imatrix"], "--output"), (["imatrix", "m", "-o", "x"], "--text"),
            (["imatrix", "-o", "x"], "--add"), (["imatrix", "m", "--statistics", "-o", "x"], "nothing else"),
            (["imatrix", "m", "--text", "t", "-o", "x", "--skip", "-1"], "--skip"),
        ])
    func usage(arguments: [String], part: String) throws {
        let result = try CommandLineTool.run(arguments)
        #expect(result.status == 64 && result.errors.contains(part), "\(result.errors)")
    }
}
