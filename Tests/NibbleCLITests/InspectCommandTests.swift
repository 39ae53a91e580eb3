import Foundation
import NibbleCheckpoint
import NibbleQuantization
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
            "gemma3", "SentencePiece", "BF16", "bits a weight", "none of 4 or 5 bits", "layers.7.",
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
        "A file on the lattice of Q4_0 is recognised, stored as BF16, F16 or F32",
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
            result.output.contains(#""format": "Q4_0""#) && result.output.contains(#""blocks_off": 0"#),
            "\(result.output)")
    }

    @Test("Shows how weights were trained, as text and as JSON")
    func provenance() throws {
        let folder = try TemporaryFolder()
        var request = ConversionRequest(
            input: Fixtures.path("hub/qwen2"), output: folder.file("a.gguf"), plan: QuantizationPlan(.q4_0),
            threads: 1)
        request.provenance = Provenance(
            teacherName: "tiny", teacherDigest: "ab12", plan: "q4_0", recipeDigest: "cd34",
            textDigest: "ef56", steps: 3, tokens: 1536, seed: 7, nibbleVersion: "0.3.0",
            perplexities: ["trained": 24.5])
        try Converter(request).run()
        let text = try CommandLineTool.run(["inspect", request.output])
        for part in ["trained toward", "tiny (sha256 ab12)", "3 steps", "seed 7", "trained 24.5"] {
            #expect(text.output.contains(part), "\(part) in \(text.output)")
        }
        let result = try CommandLineTool.run(["inspect", request.output, "--json"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let provenance = try #require(object["provenance"] as? [String: Any])
        #expect(provenance["tokens"] as? Int == 1536)
        #expect((provenance["perplexity"] as? [String: Any])?["trained"] as? Double == 24.5)
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
