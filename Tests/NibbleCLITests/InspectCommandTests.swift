import Foundation
import NibbleTestSupport
import Testing

@Suite("nibble inspect")
struct InspectCommandTests {
    @Test(
        "Shows a GGUF file and a hub folder", arguments: ["hub/gemma3-text.expected.gguf", "hub/gemma3-text"])
    func text(name: String) throws {
        let result = try CommandLineTool.run(["inspect", Fixtures.path(name), "--tensors"])
        #expect(result.status == 0)
        for part in [
            "gemma3", "SentencePiece", "BF16", "bits a weight", "do not lie on a Q4_0 grid", "layers.7.",
            "blk.7.",
        ]
        where part.hasSuffix(".") == false || part.hasPrefix("blk") == name.hasSuffix("gguf") {
            #expect(result.output.contains(part), "\(part)")
        }
    }

    @Test("JSON has the counts of the file")
    func json() throws {
        let result = try CommandLineTool.run(
            ["inspect", Fixtures.path("hub/llama3.expected.gguf"), "--json", "--metadata", "--tensors"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect((object["tensors"] as? [Any])?.count == 22)
        #expect((object["metadata"] as? [String: Any])?["general.architecture"] as? String == "llama")
        #expect(object["not_convertible"] is NSNull)
    }

    @Test(
        "A file on the Q4_0 grid is recognised, stored as BF16, F16 or F32",
        arguments: ["bf16", "f16", "f32"])
    func grid(type: String) throws {
        let folder = try TemporaryFolder()
        let (quantized, widened) = (folder.file("q.gguf"), folder.file("w.gguf"))
        let source = Fixtures.path("hub/llama3.expected.gguf")
        #expect(
            try CommandLineTool.run(["convert", source, "-o", quantized, "--pure", "--quiet"]).status == 0)
        #expect(
            try CommandLineTool.run(["convert", quantized, "-o", widened, "--type", type, "--quiet"]).status
                == 0)
        let result = try CommandLineTool.run(["inspect", widened, "--json"])
        #expect(
            result.output.contains(#""verdict": "on_grid""#)
                || result.output.contains(#""verdict": "partly""#))
    }

    @Test("An unknown architecture is shown, with the reason why it cannot be converted")
    func unknownArchitecture() throws {
        let result = try CommandLineTool.run([
            "inspect", Fixtures.path("broken/gguf/unknown-architecture.gguf"),
        ])
        #expect(result.status == 0)
        #expect(result.output.contains("not convertible"))
    }
}
