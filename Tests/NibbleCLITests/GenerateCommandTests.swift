import Foundation
import NibbleTestSupport
import Testing

@Suite("nibble generate")
struct GenerateCommandTests {
    private let model = Fixtures.path("hub/llama2-spm")

    @Test("The same seed prints the same text, and the speed goes to standard error")
    func seed() throws {
        let arguments = ["generate", model, "Hello", "--tokens", "12", "--seed", "5"]
        let first = try CommandLineTool.run(arguments)
        let second = try CommandLineTool.run(arguments + ["--threads", "1"])
        #expect(first.status == 0 && second.status == 0)
        #expect(first.output == second.output)
        #expect(first.errors.contains("tokens/s") && first.errors.contains("seed 5"))
        let quiet = try CommandLineTool.run(arguments + ["--quiet"])
        #expect(quiet.output == first.output && quiet.errors.isEmpty)
    }

    @Test(
        "Wrong options are usage errors",
        arguments: [
            ["--temperature", "-1"], ["--top-p", "0"], ["--top-k", "-1"], ["--tokens", "0"],
            ["--system", "x"], ["--precision", "f64"], ["--threads", "0"],
        ])
    func usage(options: [String]) throws {
        let result = try CommandLineTool.run(["generate", model, "Hello"] + options)
        #expect(result.status == 64)
        #expect(result.output.isEmpty)
    }

    @Test("A model without chat template cannot answer")
    func chat() throws {
        let folder = try TemporaryFolder()
        let silent = folder.file("silent")
        try FileManager.default.copyItem(atPath: Fixtures.path("hub/llama2-spm"), toPath: silent)
        let path = silent + "/tokenizer_config.json"
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        var settings = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(settings.removeValue(forKey: "chat_template") != nil)
        try JSONSerialization.data(withJSONObject: settings).write(to: URL(fileURLWithPath: path))
        let result = try CommandLineTool.run(["generate", silent, "Hello", "--chat"])
        #expect(result.status == 1)
        #expect(result.errors.hasPrefix("nibble: ") && result.errors.contains("chat template"))
    }
}
