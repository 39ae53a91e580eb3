import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble qat")
struct QATCommandTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    @Test("trains, prints what rounding cost and training won back, and leaves a model in the run folder")
    func table() throws {
        let result = try runs.run(runs.command())
        let words = result.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.hasPrefix("held-out text: perplexity divergence teacher "))
        #expect(words.contains(" rounded to nearest ") && words.contains(" trained, step 20 "))
        #expect(
            words.contains(/run\/model\.gguf: 8[0-9]\.[0-9] kB/) && words.contains("finished at step 20, "))
        #expect(result.errors.contains("to q4_0: 20 steps of 1 x 64 tokens, seed 1\n"))
        #expect(result.errors.contains("trains 73.7 k weights; "))
        #expect(result.errors.contains("memory: "))
        #expect(try contents(runs.path("run") + "/model.gguf").starts(with: Array("GGUF".utf8)))
    }

    @Test("prints one JSON document where asked, and nothing else where quiet")
    func json() throws {
        let result = try runs.run(runs.command("run", ["--json", "--quiet"]))
        #expect(result.errors.isEmpty)
        let report = try QATRuns.json(result.output)
        #expect(report["run"] as? String == runs.path("run"))
        #expect(report["exported"] as? String == runs.path("run") + "/model.gguf")
        #expect(report["ending"] as? String == "finished")
        #expect(report["step"] as? Int == 20 && report["total_steps"] as? Int == 20)
        #expect(report["threads"] as? Int == 2)
        #expect((report["losses"] as? [Double])?.count == 20)
        #expect((report["tokens_per_second"] as? Double ?? 0) > 0)
        let planned = try #require(report["planned_bytes"] as? Int)
        #expect((1 << 20..<16 << 20).contains(planned), "\(planned) bytes for a model of 100 k weights")
        #expect((report["peak_resident_bytes"] as? Int ?? 0) > planned)
        let (start, final) = (
            try #require(report["rounded"] as? [String: Any]), try #require(report["final"] as? [String: Any])
        )
        #expect(start["step"] as? Int == 0 && final["step"] as? Int == 20)
        let before = try #require(start["perplexity"] as? Double)
        let after = try #require(final["perplexity"] as? Double)
        let teacher = try #require(final["teacher_perplexity"] as? Double)
        #expect(start["teacher_perplexity"] as? Double == teacher)
        let recovered = try #require(report["recovered"] as? Double)
        #expect(abs(recovered - (before - after) / (before - teacher)) < 1e-9)
        let status = try runs.status()
        #expect(status["recipe_digest"] as? String == report["recipe_digest"] as? String)
    }

    @Test("shows in its status what was trained and what is saved")
    func status() throws {
        try runs.run(runs.command("run", every: 5))
        let status = try runs.status()
        #expect(status["is_running"] as? Bool == false)
        #expect(status["step"] as? Int == 20 && status["total_steps"] as? Int == 20)
        let heldOut = try #require(status["held_out"] as? [[String: Any]])
        #expect(heldOut.map { $0["step"] as? Int } == [0, 5, 10, 15, 20])
        // The best of those that were trained, beside the last two.
        let best = try #require(
            heldOut.dropFirst().min { a, b in
                (a["divergence"] as? Double ?? .infinity) < (b["divergence"] as? Double ?? .infinity)
            })
        #expect((status["best"] as? [String: Any])?["step"] as? Int == best["step"] as? Int)
        #expect(try runs.savedSteps() == Set([best["step"] as? Int ?? -1, 15, 20]).sorted())
        let text = try runs.run(["qat", "status", runs.path("run")]).output
        #expect(text.contains("state    finished\n") && text.contains("step     20 of 20\n"))
    }

    @Test("reports how it went as a page, whose figures its JSON has")
    func report() throws {
        try runs.run(runs.command("run", every: 5))
        let result = try runs.run(["qat", "report", runs.path("run")])
        #expect(result.output == "report in \(runs.path("run"))/report.html\n")
        let html = String(decoding: try contents(runs.path("run") + "/report.html"), as: UTF8.self)
        for part in [
            "20</data> of <data", "On held-out text", "Training loss", "Learning rate", "rounded to nearest",
        ] {
            #expect(html.contains(part), "\(part)")
        }
        #expect(!html.contains("<script") && !html.contains("http"))
        let json = try contents(runs.path("run") + "/report.json").withUnsafeBytes {
            try JSONParser.parse($0, path: "report.json")
        }
        let values = Set((json.members ?? []).compactMap(\.value.real))
            .union((json["held_out"]?.elements ?? []).compactMap { $0["divergence"]?.real })
        let found = html.matches(of: /<data value="([^"]*)">/).compactMap { Double($0.1) }
        #expect(found.count >= 5 && found.allSatisfy(values.contains))
        // What is there is kept, unless that is asked for; the folder is a run all the same.
        #expect(try CommandLineTool.run(["qat", "report", runs.path("run")]).status == 1)
        try runs.run(["qat", "report", runs.path("run"), "--force"])
        try runs.run(["qat", "report", runs.path("run"), "-o", runs.path("page.html")])
        #expect(try runs.status()["step"] as? Int == 20)
        let none = try CommandLineTool.run(["qat", "report", runs.path("none")])
        #expect(none.status == 1 && none.errors.contains("none"))
    }

    @Test("is watched until it ends")
    func watch() throws {
        let process = CommandLineTool.process(runs.command("run", steps: 40, ["--quiet"]))
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        defer { process.waitUntilExit() }
        let deadline = ContinuousClock.now + .seconds(60)
        while ((try? runs.metrics().count) ?? 0) < 3, ContinuousClock.now < deadline { usleep(5_000) }
        let output = try runs.run(["qat", "status", runs.path("run"), "--watch", "--every", "0.1"]).output
        #expect(output.contains("state                finished, step 40 of 40\n"), "\(output)")
        #expect(output.contains("tokens/s") && output.contains("held-out divergence"))
        let wrong = try CommandLineTool.run(["qat", "status", runs.path("run"), "--watch", "--json"])
        #expect(wrong.status != 0 && wrong.errors.contains("exclude"))
    }

    @Test("says while it trains that it does")
    func running() throws {
        let process = CommandLineTool.process(runs.command("run", steps: 100_000, every: 100, ["--quiet"]))
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        let deadline = ContinuousClock.now + .seconds(60)
        while ((try? runs.metrics().count) ?? 0) < 3, ContinuousClock.now < deadline { usleep(5_000) }
        let status = try runs.status()
        #expect(status["is_running"] as? Bool == true)
        let step = try #require(status["step"] as? Int)
        #expect((1..<100_000).contains(step))
        let text = try runs.run(["qat", "status", runs.path("run")]).output
        #expect(text.contains("state    training\n"))
        let second = try CommandLineTool.run(
            runs.command("run", steps: 100_000, every: 100, ["-q", "--resume"]))
        #expect(
            second.errors == """
                nibble: \(runs.path("run")): is in use by process \(process.processIdentifier); \
                wait for it, or end it; what it saved is kept

                """)
    }

    @Test("is the same with its subcommand's name, and with a recipe in a file")
    func forms() throws {
        let recipe = """
            quantization: {scales: recomputed}
            train: {steps: 20, sequence_length: 64, sequences_per_step: 1, parameters: [linear]}
            evaluation: {chunks: 2, every: 10}
            checkpoints: {every: 10}
            optimizer: {learning_rate: 1e-3, norm_learning_rate: 1e-3, relative_rates: false, clip_norm: 1}
            schedule: {final_fraction: 0.1}
            """
        try runs.folder.write(Array(recipe.utf8), to: "recipe.yaml")
        try runs.run(runs.command("short"))
        try runs.run([
            "qat", "train", Fixtures.path("hub/gemma3-text"), "--text", runs.text, "--output",
            runs.path("long"),
            "--recipe", runs.path("recipe.yaml"), "--threads", "2",
        ])
        #expect(
            try contents(runs.path("short") + "/model.gguf") == contents(runs.path("long") + "/model.gguf"))
    }
}
