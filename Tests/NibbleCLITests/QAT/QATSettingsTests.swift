import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("Settings of nibble qat")
struct QATSettingsTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    @Test("Patience ends a run that gets no better, and exports its best state")
    func patience() throws {
        // A rate this high makes it worse from the first evaluation on.
        let result = try runs.run(
            runs.command(
                "run", steps: 200, every: 5,
                [
                    "--set", "evaluation.patience=3", "--set", "optimizer.learning_rate=3e-3", "--json",
                    "--quiet",
                ]))
        let report = try QATRuns.json(result.output)
        #expect(report["ending"] as? String == "stopped_early")
        let step = try #require(report["step"] as? Int)
        let best = try #require((try runs.status()["best"] as? [String: Any])?["step"] as? Int)
        #expect(step == best + 15 && step < 200)
        try runs.run([
            "qat", "export", runs.path("run"), "-o", runs.path("best.gguf"), "--state", "\(best)", "-q",
        ])
        #expect(try contents(runs.path("best.gguf")) == contents(runs.path("run") + "/model.gguf"))
        let words = try runs.run(
            runs.command(
                "run", steps: 200, every: 5,
                ["--set", "evaluation.patience=3", "--set", "optimizer.learning_rate=3e-3", "--resume"])
        ).output
        #expect(words.contains("held-out text got no better: ended at step \(step)"))
    }

    @Test("A run that ends worse than it was names its best state, and how to export it")
    func better() throws {
        func command(_ more: String...) -> [String] {
            // A rate that rises from step to step makes it worse from one evaluation to the next.
            runs.command(
                "run", steps: 15, every: 5,
                ["--set", "optimizer.learning_rate=3e-3", "--set", "schedule.warmup_steps=15"] + more)
        }
        let report = try QATRuns.json(try runs.run(command("--json")).output)
        let best = try #require(report["best"] as? [String: Any])
        let (final, step) = (try #require(report["final"] as? [String: Any]), best["step"] as? Int)
        #expect(
            try #require(best["divergence"] as? Double) < #require(final["divergence"] as? Double)
                && step == (try runs.status()["best"] as? [String: Any])?["step"] as? Int)
        let words = try runs.run(command("--resume")).output
        #expect(words.contains("\nbest, step \(step ?? -1) "), "\(words)")
        let advice = "'nibble qat export \(runs.path("run")) -o FILE --state best' writes it\n"
        #expect(words.hasSuffix(advice), "\(words)")
        try runs.run(["qat", "export", runs.path("run"), "-o", runs.path("best.gguf"), "--state", "best"])
        #expect(try contents(runs.path("best.gguf")) != contents(runs.path("run") + "/model.gguf"))
    }

    @Test("Without evaluations there are no held-out figures, and all text is trained on")
    func noEvaluation() throws {
        let result = try runs.run(
            runs.command("run", ["--set", "evaluation.every=0", "--json"]))
        let report = try QATRuns.json(result.output)
        for field in ["rounded", "calibrated", "final", "best", "recovered"] {
            #expect(report[field] is NSNull, "\(field)")
        }
        #expect(result.errors.contains("text: 139 sequences, "))
        #expect(try runs.metrics().allSatisfy { $0["held_out_loss"] == nil })
        #expect(try runs.status()["best"] is NSNull)
        let words = try runs.run(
            runs.command("words", ["--set", "evaluation.every=0", "--quiet"])
        ).output
        #expect(words.hasPrefix("\(runs.path("words"))/model.gguf: 82."))
        // The best of a run that was never evaluated is its last.
        try runs.run(["qat", "export", runs.path("run"), "-o", runs.path("a.gguf"), "--state", "best", "-q"])
        #expect(try contents(runs.path("a.gguf")) == contents(runs.path("run") + "/model.gguf"))
    }

    @Test("A text of its own is held out where one is named")
    func heldOut() throws {
        let page = try runs.folder.write(Array(try contents(Fixtures.path("texts/code.txt"))), to: "page.txt")
        let result = try runs.run(runs.command("run", ["--held-out", page, "--json"]))
        #expect(result.errors.contains("text: 139 sequences, "))
        try runs.run(runs.command("own"))
        let other = try #require(try runs.metrics("own").first?["held_out_perplexity"] as? Double)
        #expect(try runs.metrics().first?["held_out_perplexity"] as? Double != other)
        // The exported file says which text its figures are of.
        let file = try GGUFFile(path: runs.path("run") + "/model.gguf")
        let identity = try QATRuns.json(
            String(decoding: contents(runs.path("run") + "/run.json"), as: UTF8.self))
        let digest = try file.metadata.value("nibble.qat.held_out.sha256")?.text
        #expect(digest != nil && digest == identity["held_out_digest"] as? String)
    }

    @Test("Documents of JSON lines are text, in the field that is named")
    func jsonLines() throws {
        let pages = try contents(runs.text).split(separator: UInt8(ascii: "\n"))
        let lines = try pages.map { page in
            let object = ["content": String(decoding: page, as: UTF8.self)]
            return String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
        }
        let path = try runs.folder.write(Array(lines.joined(separator: "\n").utf8), to: "text.jsonl")
        var command = runs.command("run", ["--quiet"])
        command[3] = path
        let missing = try CommandLineTool.run(command)
        #expect(
            missing.errors == """
                nibble: \(path):1: has no field 'text', it has 'content'; name the field that holds the text

                """)
        try runs.run(command + ["--text-field", "content"])
        #expect(try runs.status()["step"] as? Int == 20)
    }

    @Test("A teacher that is quantized itself is trained toward, with a note")
    func quantizedTeacher() throws {
        let teacher = runs.path("teacher.gguf")
        try runs.run([
            "convert", Fixtures.path("hub/gemma3-text"), "-o", teacher, "--type", "q8_0", "--quiet",
        ])
        let result = try runs.run(runs.command("run", teacher: teacher))
        #expect(
            result.errors.contains(
                "note: the teacher is quantized itself (Q8_0): what it lost already is not won back; an "
                    + "unquantized checkpoint is the better teacher\n"), "\(result.errors)")
    }

    @Test(
        "The memory that is announced is what a run takes, from its start to its export",
        .timeLimit(.minutes(2)),
        arguments: [
            // Where nothing comes before the first step; where more does than steps take.
            (name: "llama3", wide: 11264, steps: 2, settings: ["train.sequences_per_step=4"]),
            (
                name: "smollm2", wide: 40960, steps: 2,
                settings: [
                    "train.sequences_per_step=4", "optimizer.state=int8", "quantization.scales=learned",
                    "calibration.method=nearest", "calibration.scales=codec",
                ]
            ),
            (
                name: "smollm2", wide: 5120, steps: 1,
                settings: ["quantization.scales=learned", "evaluation.every=1"]
            ),
        ])
    func memory(name: String, wide: Int, steps: Int, settings: [String]) throws {
        // A Llama of which most weights are in a wide feed-forward layer: 17 million, or 3.
        let teacher = try largeTeacher(name, wide: wide)
        let result = try runs.run(
            runs.command(
                "run", teacher: teacher, steps: steps,
                ["--json", "--quiet", "--set", "evaluation.every=0"] + settings.flatMap { ["--set", $0] }))
        let report = try QATRuns.json(result.output)
        let planned = try #require(report["planned_bytes"] as? Int)
        let peak = try #require(report["peak_resident_bytes"] as? Int)
        // The program and its libraries, libcurl's with them, and the mapped file, are not counted.
        let uncounted = 48 << 20 + (try contents(teacher).count)
        #expect(peak <= planned + uncounted, "\(planned) bytes planned, \(peak) taken")
        #expect(planned <= peak, "\(planned) bytes planned, \(peak) taken")
        #expect(planned > 200 << 20)
    }

    private func largeTeacher(_ name: String, wide: Int) throws -> String {
        let small = try GGUFFile(path: Fixtures.path("hub/\(name).expected.gguf"))
        var metadata = small.metadata
        metadata.set("llama.feed_forward_length", .uint32(UInt32(wide)))
        let tensors = small.tensors.map { tensor in
            CheckpointLayout.Tensor(
                name: tensor.name,
                shape: tensor.shape.map { tensor.name.contains(".ffn_") && $0 == 32 ? wide : $0 },
                type: tensor.type)
        }
        let layout = try CheckpointLayout.gguf(
            path: runs.path("large.gguf"), metadata: metadata, tensors: tensors, splitSize: nil)
        let writer = try CheckpointWriter(layout, replacing: false)
        for (index, (tensor, original)) in zip(tensors, small.tensors).enumerated() {
            // Rows of the small matrix, again and again.
            var bytes = Array(original.bytes)
            while bytes.count < tensor.byteCount { bytes += bytes.prefix(tensor.byteCount - bytes.count) }
            try bytes.withUnsafeBytes {
                try writer.write($0, file: 0, offset: layout.placements[index].offset)
            }
        }
        try writer.commit(flush: false)
        return layout.path
    }
}
