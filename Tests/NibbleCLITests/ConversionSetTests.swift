import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble convert to several types")
struct ConversionSetTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    private static let types = ["q4_0", "q5_1", "iq4_nl", "int4_32"]

    private func name(_ type: String) -> String {
        type.hasPrefix("int4") ? "gemma3-text.\(type)" : "gemma3-text.\(type).gguf"
    }

    /// The bytes of a file, or of the weights of a folder, whose card names the folder.
    private func weights(_ path: String) throws -> [UInt8] {
        try contents(FilePath.isFolder(path) ? path + "/model.safetensors" : path)
    }

    @Test(
        "Each has the bytes that it has alone",
        arguments: [nil, "all", "gptq+gptaq", "importance"] as [String?])
    func bytes(method: String?) throws {
        let model = Fixtures.path("hub/gemma3-text")
        func command(_ output: String, _ types: [String]) -> [String] {
            let types = types.flatMap { ["--type", $0] }
            guard let method else { return ["convert", model, "-o", runs.path(output), "--quiet"] + types }
            return runs.calibration(output, types + ["--method", method])
        }
        try runs.run(command("all", Self.types))
        #expect(Set(FilePath.names(in: runs.path("all"))) == Set(Self.types.map(name)))
        for type in Self.types {
            let alone = type.hasPrefix("int4") ? "alone" : "alone.gguf"
            try runs.run(command(alone, [type]))
            #expect(
                try weights(runs.path("all/" + name(type))) == weights(runs.path(alone)),
                "\(type), \(method ?? "not calibrated")")
            try FileManager.default.removeItem(atPath: runs.path(alone))
        }
        #expect(try runs.folder.names == ["all", "text.txt"])
    }

    @Test("Killed, it goes on to the same bytes")
    func killed() throws {
        let more = ["--type", "q4_0", "--type", "q4_1", "--sequences", "48"]
        try runs.run(runs.calibration("whole", more))
        let command = runs.calibration("out", more + ["--force"])
        for lines in [3, 14, 20] { #expect(try runs.killed(command, of: "out", atLines: lines)) }
        let result = try runs.run(runs.calibration("out", more + ["--force", "--json"]))
        let outputs = try #require(try QATRuns.json(result.output)["outputs"] as? [[String: Any]])
        let reports = try outputs.map { try #require($0["calibration"] as? [String: Any]) }
        #expect(outputs.compactMap { $0["type"] as? String } == ["q4_0", "q4_1"])
        #expect(reports.allSatisfy { $0["resumed_steps"] as? Int ?? 0 >= 20 }, "\(reports)")
        // A description of each.
        #expect(reports.allSatisfy { ($0["methods"] as? [String: String])?.count == 56 })
        #expect(reports.allSatisfy { $0["held_out"] is [String: Any] })
        for type in ["q4_0", "q4_1"] {
            #expect(try weights(runs.path("out/" + name(type))) == weights(runs.path("whole/" + name(type))))
        }
        #expect(try runs.folder.names == ["out", "text.txt", "whole"])
    }

    @Test("A dry run says what all take together, and writes nothing")
    func dryRun() throws {
        func memory(_ types: [String]) throws -> [(type: String, scratch: Int)] {
            let output = types.count == 1 ? "out.gguf" : "out"
            let json = try QATRuns.json(
                try runs.run(
                    runs.calibration(output, types.flatMap { ["--type", $0] } + ["--dry-run", "--json"])
                ).output)
            return try (json["outputs"] as? [[String: Any]] ?? [json]).map {
                let plan = try #require($0["calibration"] as? [String: Any])
                return (try #require($0["type"] as? String), try #require(plan["scratch_bytes"] as? Int))
            }
        }
        let (one, two) = (try memory(["q4_0"]), try memory(["q4_0", "q8_0"]))
        #expect(two.map(\.type) == ["q4_0", "q8_0"] && one.count == 1)
        // Rows of both, streams and gradients once.
        #expect(one[0].scratch < two[0].scratch && two[0].scratch < 2 * one[0].scratch)
        #expect(try runs.folder.names == ["text.txt"])
    }

    @Test("Paths that do not fit are errors")
    func misuse() throws {
        for (more, output, words) in [
            (
                ["--type", "q4_0", "--type", "q8_0"], "out.gguf",
                "several types make several files: name a folder"
            ),
            (["--type", "q4_0", "--type", "q4_0"], "out", "--type q4_0 is there twice"),
            (["--type", "q4_0", "--type", "q8_0", "--save-plan", "p"], "out", "--save-plan is for one type"),
        ] {
            let result = try CommandLineTool.run(
                ["convert", Fixtures.path("hub/gemma3-text"), "-o", runs.path(output)] + more)
            #expect(result.status == 64 && result.errors.contains(words), "\(result)")
        }
        try runs.folder.write([1], to: "file")
        let types = ["--type", "q4_0", "--type", "q8_0"]
        let command = ["convert", Fixtures.path("hub/gemma3-text"), "-o", runs.path("file")] + types
        #expect(try runs.error(command).contains("file: is no folder"))
        try runs.folder.makeFolder("full")
        try runs.folder.write([1], to: "full/gemma3-text.q8_0.gguf")
        let full = ["convert", Fixtures.path("hub/gemma3-text"), "-o", runs.path("full")] + types
        #expect(try runs.error(full).contains("gemma3-text.q8_0.gguf"))
        // Not the first of the two either.
        #expect(FilePath.names(in: runs.path("full")) == ["gemma3-text.q8_0.gguf"])
    }
}
