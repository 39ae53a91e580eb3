import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble convert to a size")
struct SizeTargetTests {
    private let runs: QATRuns
    private let model = Fixtures.path("hub/llama3")

    init() throws { runs = try QATRuns() }

    /// What a command says of its output: bits a weight, and the held-out divergence.
    private func figures(_ command: [String]) throws -> (bits: Double, bytes: Int, divergence: Double) {
        let result = try runs.run(command + ["--json"])
        let json = try QATRuns.json(result.output)
        let heldOut = try #require(try runs.calibrationReport(result)["held_out"] as? [String: Any])
        let calibrated = try #require(heldOut["calibrated"] as? [String: Any])
        return (
            try #require(json["bits_per_weight"] as? Double), try #require(json["output_bytes"] as? Int),
            try #require(calibrated["divergence"] as? Double)
        )
    }

    @Test(
        "A file of the size of each type is nearer to the unquantized model",
        arguments: ["q3_k_s", "q4_0", "q4_k_m"])
    func better(type: String) throws {
        let single = try figures(runs.calibration("single.gguf", model: model, ["--type", type]))
        let chosen = try figures(
            runs.calibration("out.gguf", model: model, ["--target-bpw", "\(single.bits)"]))
        #expect(chosen.bits <= single.bits && chosen.bits > single.bits - 0.3, "\(chosen), \(single)")
        #expect(chosen.divergence < single.divergence, "\(chosen), \(single)")
        let size = try figures(
            runs.calibration("size.gguf", model: model, ["--target-size", "\(single.bytes)"]))
        // Nor is it much smaller; of so small a file what it says of its making is a part.
        #expect(
            size.bytes <= single.bytes && size.bytes > single.bytes * 9 / 10
                && size.divergence < single.divergence, "\(size), \(single)")
    }

    @Test("Its plan file makes the same file again, and may be edited")
    func plan() throws {
        let plan = runs.path("out.gguf.plan")
        let first = try runs.run(runs.calibration("out.gguf", model: model, ["--target-bpw", "4.5"]))
        #expect(first.output.contains("types in \(plan), for --plan"), "\(first.output)")
        #expect(try runs.folder.names == ["out.gguf", "out.gguf.plan", "text.txt"])
        let text = String(decoding: try contents(plan), as: UTF8.self)
        let types = Set(text.split(separator: "\n").dropFirst(2).compactMap { $0.split(separator: " ").last })
        #expect(types.count > 2, "\(types)")
        try runs.run(runs.calibration("again.gguf", model: model, ["--plan", plan]))
        #expect(try contents(runs.path("again.gguf")) == contents(runs.path("out.gguf")))
        // Another place for it.
        try runs.run(
            runs.calibration(
                "other.gguf", model: model, ["--target-bpw", "4.5", "--save-plan", runs.path("my.plan")]))
        #expect(try contents(runs.path("my.plan")) == contents(plan))
    }

    @Test("Killed at any moment it goes on to the same bytes")
    func killed() throws {
        let more = ["--target-bpw", "4.5", "--sequences", "48"]
        try runs.run(runs.calibration("whole.gguf", model: model, more))
        let command = runs.calibration("out.gguf", model: model, more)
        for lines in [2, 6, 8, 10] { #expect(try runs.killed(command, of: "out.gguf", atLines: lines)) }
        // The very same command.
        try runs.run(command)
        #expect(try contents(runs.path("out.gguf")) == contents(runs.path("whole.gguf")))
        #expect(try contents(runs.path("out.gguf.plan")) == contents(runs.path("whole.gguf.plan")))
    }

    @Test("Sizes that no types have are errors that name the nearest")
    func unreachable() throws {
        for (more, words) in [
            (["--target-bpw", "1.5"], "no types make it 1.5 bits a weight: the smallest file has 3."),
            (["--target-bpw", "12"], "no types make it 12.0 bits a weight: the largest file has 8."),
            (["--target-size", "10k"], "no types make it 10.0 kB: the smallest file has "),
            (["--target-size", "10G"], "no types make it 10.0 GB: the largest file has "),
            (["--target-bpw", "4.5", "--method", "gptq"], "is known by the gradients of guidedquant alone"),
        ] {
            let error = try runs.error(runs.calibration("out.gguf", model: model, more))
            #expect(error.contains(words), "\(error)")
        }
        let folder = try runs.error(runs.calibration("out", model: model, ["--target-bpw", "4.5"]))
        #expect(folder.contains("is for one GGUF file; name an output that ends in .gguf"), "\(folder)")
        #expect(try runs.folder.names == ["text.txt"])
    }

    @Test("A dry run says what it takes and which sizes there are, and writes nothing")
    func dryRun() throws {
        let asked = ["--target-bpw", "4.5", "--dry-run"]
        let result = try runs.run(runs.calibration("out.gguf", model: model, asked + ["--json"]))
        let document = try QATRuns.json(result.output)
        let sizes = try #require(document["sizes"] as? [String: Any])
        #expect(sizes["target"] as? String == "4.5 bits a weight" && document["tensors"] == nil)
        let calibration = try #require(document["calibration"] as? [String: Any])
        #expect(calibration["memory_bytes"] as? Int ?? 0 > 0 && calibration["seconds"] as? Double ?? 0 > 0)
        #expect(try runs.folder.names == ["text.txt"])
        // The smallest and the largest are reached, and no more.
        for (key, step) in [("smallest_bytes", -1), ("largest_bytes", 1)] {
            let bytes = try #require(sizes[key] as? Int)
            let command = runs.calibration(
                "out.gguf", model: model, ["--target-size", "\(bytes)", "--dry-run"])
            let text = try runs.run(command).output
            #expect(text.contains("possible sizes") && text.contains("chosen for"), "\(text)")
            let beyond = try runs.error(
                runs.calibration("out.gguf", model: model, ["--target-size", "\(bytes + step)", "--dry-run"]))
            #expect(beyond.contains("no types make it"), "\(beyond)")
        }
    }

    @Test("Options that contradict a size are errors")
    func misuse() throws {
        for (more, words) in [
            (["--type", "q4_0"], "leave out --type, or the size"),
            (["--plan", "p"], "leave out --plan, or the size"),
            (["--pure"], "leave out --pure, or the size"),
            (["--target-size", "1M"], "give one"),
        ] {
            let result = try CommandLineTool.run(
                runs.calibration("out.gguf", model: model, ["--target-bpw", "4.5"] + more))
            #expect(result.status == 64 && result.errors.contains(words), "\(result)")
        }
        let bad = try CommandLineTool.run(
            runs.calibration("out.gguf", model: model, ["--target-bpw", "-1"]))
        #expect(bad.status == 64, "\(bad)")
        let plain = try CommandLineTool.run(
            ["convert", model, "-o", runs.path("out.gguf"), "--target-bpw", "4.5"])
        #expect(plain.status == 64 && plain.errors.contains("name a text with --calibrate"), "\(plain)")
    }
}
