import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble plan")
struct PlanCommandTests {
    private func object(_ arguments: [String]) throws -> [String: Any] {
        let result = try CommandLineTool.run(["plan"] + arguments + ["--json"])
        #expect(result.status == 0, "\(result.errors)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    private func plans(_ arguments: [String]) throws -> [[String: Any]] {
        try #require(try object(arguments)["plans"] as? [[String: Any]])
    }

    @Test("shows the types of a model by name, and where it fits")
    func name() throws {
        let result = try CommandLineTool.run(
            ["plan", "gemma-3-27b", "--context", "32768", "--device", "RTX 3090", "--device", "8G"])
        #expect(result.status == 0)
        for part in [
            "q4_0", "q4_k_m", "q8_0", "bf16", "62 layers", "52 with a window", "RTX 3090", "8G", "of 63",
        ] {
            #expect(result.output.contains(part), "\(part)\n\(result.output)")
        }
    }

    @Test("of a checkpoint has the bytes of the file that a conversion writes")
    func checkpoint() throws {
        let folder = try TemporaryFolder()
        let source = Fixtures.path("hub/gemma3-text")
        let plans = try self.plans([source, "--type", "q4_0", "q8_0"])
        #expect(plans.count == 2)
        for plan in plans {
            let type = try #require(plan["type"] as? String)
            let output = folder.file("\(type).gguf")
            #expect(
                try CommandLineTool.run(["convert", source, "-o", output, "--type", type, "--quiet"]).status
                    == 0)
            let size = try FileManager.default.attributesOfItem(atPath: output)[.size] as? Int
            #expect(plan["file_bytes"] as? Int == size, "\(type)")
            // As it is stored, it takes the same.
            let stored = try #require(try self.plans([output]).first)
            #expect(stored["type"] as? String == "as stored")
            #expect(stored["total_bytes"] as? Int == plan["total_bytes"] as? Int)
        }
    }

    @Test("computes the announcement")
    func announcement() throws {
        let result = try CommandLineTool.run(["plan", "--announcement"])
        #expect(result.status == 0)
        for part in ["14.1", "54.0", "6.6", "27.4", "18.7", "arxiv.org"] {
            #expect(result.output.contains(part), "\(part)")
        }
        let sizes = try #require(try object(["--announcement"])["sizes"] as? [[String: Any]])
        #expect(sizes.count == 4)
    }

    @Test(
        "says what is wrong with what it is asked",
        arguments: [
            (["gemma-3-28b"], "did you mean 'gemma-3-27b'"),
            (["gemma-3-4b", "--device", "RTX 3091"], "RTX 3090"),
            (["gemma-3-4b", "--type", "int4"], "folders"), (["gemma-3-4b", "--kv", "q6_k"], "llama.cpp has"),
            (["gemma-3-4b", "--context", "0"], "expected 1"), ([], "name a checkpoint"),
            (["gemma-3-4b", "--announcement"], "stands alone"),
            (["gemma-3-4b", "--context", "1000000000", "--parallel", "1000000000"], "positions"),
            (["qwen2.5-0.5b", "--kv", "q4_0", "--type", "q4_0"], ""),
        ])
    func wrong(arguments: [String], part: String) throws {
        let result = try CommandLineTool.run(["plan"] + arguments)
        if part.isEmpty {
            #expect(result.status == 0)
        } else {
            #expect(result.status != 0)
            #expect(result.errors.contains(part), "\(result.errors)")
        }
    }

    @Test("warns of a context that the model was not made for")
    func long() throws {
        let result = try CommandLineTool.run(["plan", "gemma-3-270m", "--context", "65536"])
        #expect(result.status == 0)
        #expect(result.errors.contains("made for 32,768"))
    }
}
