import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble compare --report")
struct ReportCommandTests {
    private func models(_ folder: TemporaryFolder) throws -> [String] {
        let base = Fixtures.path("hub/llama3.expected.gguf")
        var models = [base]
        for type in ["q4_0", "q8_0"] {
            let path = folder.file("m.\(type).gguf")
            #expect(
                try CommandLineTool.run(["convert", base, "-o", path, "--type", type, "--pure", "--quiet"])
                    .status
                    == 0)
            models.append(path)
        }
        return models
    }

    @Test("writes a page, JSON and Markdown, whose figures agree")
    func files() throws {
        let folder = try TemporaryFolder()
        let text = Fixtures.path("texts/english.txt")
        let page = folder.file("out.html")
        let result = try CommandLineTool.run(
            ["compare"] + models(folder)
                + ["--text", text, "--context", "32", "64", "--report", page, "--json", "--quiet"])
        #expect(result.status == 0, "\(result.errors)")
        let html = try String(contentsOfFile: page, encoding: .utf8)
        let json = try String(contentsOfFile: folder.file("out.json"), encoding: .utf8)
        #expect(json == result.output)
        let markdown = try String(contentsOfFile: folder.file("out.md"), encoding: .utf8)
        #expect(markdown.contains("| m.q4_0.gguf |"))
        var values: Set<Double> = []
        func collect(_ value: JSONValue) {
            if let number = value.real { values.insert(number) }
            for element in value.elements ?? [] { collect(element) }
            for member in value.members ?? [] { collect(member.value) }
        }
        collect(
            try Array(json.utf8).withUnsafeBytes { bytes throws(CheckpointError) in
                try JSONParser.parse(bytes, path: "out.json")
            })
        let found = html.matches(of: /<data value="([^"]*)">/).compactMap { Double($0.1) }
        #expect(found.count > 30)
        let unknown = found.filter { !values.contains($0) }
        #expect(unknown.isEmpty)
        #expect(html.contains("Relative errors of matrices") && json.contains("\"blk.0.ffn_down.weight\""))
        #expect(html.contains("Worst tokens of m.q4_0.gguf") && html.contains("64 tokens of context"))
    }

    @Test("into a folder; what is there is replaced with --force only")
    func folder() throws {
        let folder = try TemporaryFolder()
        let text = Fixtures.path("texts/english.txt")
        let arguments =
            try ["compare"] + models(folder)
            + ["--text", text, "--context", "32", "--chunks", "2", "--report", folder.file("r"), "--quiet"]
        #expect(try CommandLineTool.run(arguments).status == 0)
        #expect(FileManager.default.fileExists(atPath: folder.file("r/report.html")))
        let again = try CommandLineTool.run(arguments)
        #expect(again.status == 1 && again.errors.contains("report.html"), "\(again.errors)")
        #expect(try CommandLineTool.run(arguments + ["--force"]).status == 0)
        let useless = try CommandLineTool.run(
            ["compare", "a", "b", "--text", text, "--force"])
        #expect(useless.status != 0 && useless.errors.contains("--report"))
    }
}
