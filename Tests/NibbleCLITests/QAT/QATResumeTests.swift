import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("A run of nibble qat")
struct QATResumeTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    private func model(_ name: String) throws -> [UInt8] { try contents(runs.path(name) + "/model.gguf") }

    @Test("gives the same bytes on any number of threads, and other bytes from another seed")
    func threads() throws {
        for (name, more) in [
            ("one", ["--threads", "1"]), ("two", ["--threads", "2"]), ("five", ["--threads", "5"]),
            ("seed", ["--seed", "2"]),
        ] {
            try runs.run(runs.command(name, steps: 30, more))
        }
        #expect(try model("one") == model("two"))
        #expect(try model("one") == model("five"))
        #expect(
            try QATRuns.tensors(runs.path("one") + "/model.gguf")
                != QATRuns.tensors(runs.path("seed") + "/model.gguf"))
        try runs.expectSameMetrics("one", as: "two")
    }

    @Test(
        "gives the same weights with activations kept or computed again",
        arguments: ["hub/gemma3-text", "hub/smollm2", "hub/qwen3.expected.gguf"])
    func recomputing(teacher: String) throws {
        for recompute in ["none", "blocks"] {
            try runs.run(
                runs.command(
                    recompute, teacher: Fixtures.path(teacher), steps: 30,
                    [
                        "--set", "train.recompute=\(recompute)", "--set", "train.sequences_per_step=2",
                        "--set",
                        "quantization.scales=auto",
                    ]))
        }
        #expect(
            try QATRuns.tensors(runs.path("none") + "/model.gguf")
                == QATRuns.tensors(runs.path("blocks") + "/model.gguf"))
        try runs.expectSameMetrics("none", as: "blocks")
    }

    @Test(
        "that is interrupted saves its state, says how to go on, ends with 130, and goes on to the same bytes"
    )
    func interrupted() throws {
        let parts = [
            "--set", "train.parameters=linear, norms", "--set", "train.sequences_per_step=3",
        ]
        try runs.run(runs.command("whole", steps: 200, every: 50, parts))
        let command = runs.command("run", steps: 200, every: 50, parts)
        let (errors, output, status) = try runs.interrupt(command, run: "run", signal: SIGINT, lines: 8)
        #expect(status == 130)
        #expect(output.isEmpty)
        let step = try #require(runs.savedSteps().last)
        #expect((7..<200).contains(step))
        let advice =
            "stopped at step \(step) of 200, which is saved; the same command with --resume goes on\n"
        #expect(errors.hasSuffix(advice), "\(errors)")
        #expect(!FileManager.default.fileExists(atPath: runs.path("run") + "/model.gguf"))
        let text = try runs.run(["qat", "status", runs.path("run")]).output
        #expect(text.contains("state    not running\n") && text.contains("step     \(step) of 200\n"))

        let resumed = try runs.run(command + ["--resume"])
        #expect(resumed.errors.contains("tokens, resumed at step \(step), seed 1\n"))
        #expect(try model("run") == model("whole"))
        try runs.expectSameMetrics("run", as: "whole")
        // Once more, there is nothing left to do.
        try runs.run(command + ["--resume", "--quiet"])
        #expect(try model("run") == model("whole"))
        try runs.expectSameMetrics("run", as: "whole")
    }

    @Test("that is interrupted prints JSON where asked, too")
    func interruptedJSON() throws {
        let (_, output, status) = try runs.interrupt(
            runs.command("run", steps: 100_000, every: 1000, ["--json"]),
            run: "run", signal: SIGTERM, lines: 5)
        #expect(status == 130)
        let report = try QATRuns.json(output)
        #expect(report["ending"] as? String == "interrupted")
        #expect(report["exported"] is NSNull)
        #expect(try report["step"] as? Int == runs.savedSteps().last)
    }

    @Test("begins with --resume where there is none yet")
    func beginsWithResume() throws {
        try runs.run(runs.command("run", ["--resume"]))
        try runs.run(runs.command("other"))
        #expect(try model("run") == model("other"))
    }

    @Test("with a damaged state goes back to the one before, with a warning, and on to the same bytes")
    func damaged() throws {
        try runs.run(runs.command("run"))
        let whole = try model("run")
        let path = runs.path("run") + "/checkpoints/step-00000020.safetensors"
        var bytes = try contents(path)
        bytes[bytes.count - 1] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let result = try runs.run(runs.command("run", ["--resume"]))
        let warning =
            "note: a checkpoint cannot be used, going back to the one before: \(path), checksum: is "
        #expect(result.errors.contains(warning), "\(result.errors)")
        #expect(
            result.errors.contains(
                ": the file was damaged after it was written; resume from an earlier checkpoint\n"))
        #expect(result.errors.contains("resumed at step 10"))
        #expect(try model("run") == whole)
        #expect(
            try runs.metrics().compactMap { $0["loss"] == nil ? nil : $0["step"] as? Int } == Array(1...20))
    }

    @Test("that is killed between the best state and its mark marks it when it goes on")
    func unmarked() throws {
        try runs.run(runs.command("run"))
        let best = try #require(try runs.status()["best"] as? [String: Any])
        try #require(best["step"] as? Int == 20, "the run must end with its best state for this test")
        try FileManager.default.removeItem(atPath: runs.path("run") + "/checkpoints/best.json")
        try runs.run(runs.command("run", ["--resume"]))
        let marked = try #require(try runs.status()["best"] as? [String: Any])
        #expect(marked["step"] as? Int == 20)
        #expect(marked["divergence"] as? Double == best["divergence"] as? Double)
    }

    @Test("killed after calibration goes on from what was rounded")
    func killedAfterCalibration() throws {
        let parts = [
            "--set", "train.parameters=linear, norms", "--set", "quantization.scales=auto",
            "--set", "calibration.sequences=4",
        ]
        let command = runs.command("run", steps: 300, every: 300, parts)
        try runs.run(runs.command("whole", steps: 300, every: 300, parts))
        // The evaluations before and after calibration, and a step.
        let (errors, _, _) = try runs.interrupt(command, run: "run", signal: SIGKILL, lines: 3)
        try #require(runs.savedSteps() == [0], "\(errors)")
        let resumed = try runs.run(command + ["--resume"])
        #expect(resumed.errors.contains("tokens, resumed at step 0, seed 1\n"))
        let log = try String(decoding: contents(runs.path("run") + "/log.txt"), as: UTF8.self)
        #expect(log.split(separator: "calibrated by gptq").count == 2, "\(log)")
        #expect(try model("run") == model("whole"))
        try runs.expectSameMetrics("run", as: "whole")
    }

    @Test("killed twenty times at random moments ends with the same bytes", .timeLimit(.minutes(5)))
    func killed() throws {
        func command(_ name: String) -> [String] {
            runs.command(
                name, steps: 600, every: 12,
                [
                    "--set", "train.parameters=linear, norms", "--set", "quantization.scales=auto",
                    // Most moments are to lie in the steps.
                    "--set", "calibration.sequences=4", "--quiet",
                ])
        }
        let start = ContinuousClock.now
        try runs.run(command("whole"))
        let duration = start.duration(to: .now) / .seconds(1)
        let whole = try model("whole")
        var generator = SeededGenerator(seed: 11)
        var (kills, hits, run) = (0, 0, 0)
        var furthest = 0
        while kills < 20 {
            let name = "run-\(run)"
            let process = CommandLineTool.process(command(name) + ["--resume"])
            process.standardOutput = FileHandle.nullDevice
            let errors = Pipe()
            process.standardError = errors
            try process.run()
            Thread.sleep(forTimeInterval: Double.random(in: 0.01...duration / 5, using: &generator))
            kill(process.processIdentifier, SIGKILL)
            let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(message.isEmpty)
            if process.terminationReason == .uncaughtSignal {
                kills += 1
                let step = (try? runs.status(name)["step"] as? Int) ?? 0
                if step > furthest { hits += 1 }
                furthest = step
                continue
            }
            try #require(process.terminationStatus == 0)
            #expect(try model(name) == whole)
            try runs.expectSameMetrics(name, as: "whole")
            (run, furthest) = (run + 1, 0)
        }
        try runs.run(command("run-\(run)") + ["--resume"])
        #expect(try model("run-\(run)") == whole)
        try runs.expectSameMetrics("run-\(run)", as: "whole")
        #expect(try runs.savedSteps("run-\(run)") == runs.savedSteps("whole"))
        // Otherwise the moments are wrong for the machine and the test says nothing.
        #expect(hits > 5, "\(hits) of \(kills) processes came to train before they were killed")
    }
}
