import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble convert --calibrate")
struct CalibrationCommandTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    @Test("Weights diverge less than rounded ones, as the summary, the file and a comparison say")
    func gains() throws {
        let result = try runs.run(runs.calibration("out.gguf", ["--json"]))
        let report = try runs.calibrationReport(result)
        let heldOut = try #require(report["held_out"] as? [String: Any])
        func figure(_ state: String, _ name: String) throws -> Double {
            try #require((heldOut[state] as? [String: Any])?[name] as? Double)
        }
        // The second half of 4 sequences, less the token that begins each.
        #expect(heldOut["tokens"] as? Int == 124)
        #expect(try figure("calibrated", "divergence") < 0.6 * figure("rounded", "divergence"))
        #expect((report["methods"] as? [String: String])?.count == 56)
        let found = try ModelCheckpoint(path: runs.path("out.gguf")).provenance()
        let provenance = try #require(found)
        #expect(provenance.steps == 0 && provenance.plan == "q4_0")
        #expect(try provenance.perplexities["calibrated"] == figure("calibrated", "perplexity"))
        let methods = try #require(provenance.calibration).methods
        #expect(methods.count == 57 && provenance.calibration?.tokens == 16 * 64)
        #expect(
            methods.count {
                $0.methods == "guidedquant+gptaq+importance+gptq+yaqa+coordinate_descent"
            } == 56)
        #expect(try runs.folder.names == ["out.gguf", "text.txt"])
        // On all of the text.
        try runs.run(["convert", Fixtures.path("hub/gemma3-text"), "-o", runs.path("plain.gguf"), "--quiet"])
        let compared = try runs.run([
            "compare", Fixtures.path("hub/gemma3-text"), runs.path("plain.gguf"), runs.path("out.gguf"),
            "--text", runs.text, "--context", "64", "--quiet", "--json", "--precision", "f32",
        ])
        let rows = try #require(try QATRuns.json(compared.output)["models"] as? [[String: Any]])
        let divergences = try rows.dropFirst().map {
            try #require(($0["kl_divergence"] as? [String: Any])?["value"] as? Double)
        }
        #expect(divergences.count == 2 && divergences[1] < 0.6 * divergences[0], "\(divergences)")
    }

    @Test(
        "Every type loses less than rounded",
        arguments: [
            "q4_1", "q5_0", "q5_1", "iq4_nl", "q2_0", "q2_k", "q3_k_m", "q4_k_m", "q5_k_s", "q6_k", "iq4_xs",
            "int4",
            "int4_32",
        ])
    func types(type: String) throws {
        let output = type.hasPrefix("int4") ? "out" : "out.gguf"
        // Blocks of 256 fit the one, groups of 32 the other.
        let model = type == "int4_32" ? "gemma3-text" : "llama3"
        let result = try runs.run(
            runs.calibration(output, model: Fixtures.path("hub/\(model)"), ["--type", type, "--json"]))
        let report = try runs.calibrationReport(result)
        let heldOut = try #require(report["held_out"] as? [String: Any])
        let divergences = try ["rounded", "calibrated"].map {
            try #require((heldOut[$0] as? [String: Any])?["divergence"] as? Double)
        }
        #expect(divergences[1] < 0.9 * divergences[0], "\(divergences)")
        let methods = try #require(report["methods"] as? [String: String])
        let inBlocks = methods.filter { $0.key.hasPrefix("blk.") }
        #expect(inBlocks.count == (type == "int4_32" ? 56 : 12), "\(methods)")
        #expect(
            Set(inBlocks.values) == ["guidedquant+gptaq+importance+gptq+yaqa+coordinate_descent"],
            "\(methods)")
        // Rows of 16 have no Hessian in panels of 32.
        let isPart = result.errors.contains("2 matrices that cannot be calibrated (blk.0.attn_output.weight")
        #expect(isPart == (type.hasPrefix("int4") && model == "llama3"), "\(result.errors)")
        // What is written is what was measured: it is read again as blocks of the type.
        guard output == "out.gguf" else {
            #expect(
                try HubTensors(folder: runs.path(output)).tensors.keys.contains {
                    $0.hasSuffix("mlp.down_proj.weight_packed")
                })
            return
        }
        let written = try ModelCheckpoint(path: runs.path(output))
        let provenance = try #require(try written.provenance())
        #expect(provenance.plan == type)
    }

    @Test(
        "The vocabulary loses less than rounded, tied or not",
        arguments: [("gemma3-text", ["--embedding-type"]), ("qwen3", ["--embedding-type", "--output-type"])])
    func vocabulary(model: String, options: [String]) throws {
        let types = ["--type", "q8_0"] + options.flatMap { [$0, "q4_0"] }
        let report = try runs.calibrationReport(
            try runs.run(
                runs.calibration("out.gguf", model: Fixtures.path("hub/\(model)"), types + ["--json"])))
        let methods = try #require(report["methods"] as? [String: String])
        let outside = methods.filter { !$0.key.hasPrefix("blk.") }
        #expect(outside.count == options.count)
        #expect(Set(outside.values) == ["guidedquant+importance+gptq+coordinate_descent"], "\(outside)")
        let heldOut = try #require(report["held_out"] as? [String: Any])
        let divergences = try ["rounded", "calibrated"].map {
            try #require((heldOut[$0] as? [String: Any])?["divergence"] as? Double)
        }
        #expect(divergences[1] < 0.8 * divergences[0], "\(divergences)")
        // Without gradients nothing is known of it, and that is said.
        let plain = try runs.run(
            runs.calibration(
                "plain.gguf", model: Fixtures.path("hub/\(model)"), types + ["--method", "gptq"]))
        #expect(plain.errors.contains("is known by the gradients of guidedquant alone"), "\(plain.errors)")
    }

    @Test("Threads change no byte", arguments: ["q4_0", "q8_0", "q4_k_m", "q4_1"])
    func threads(type: String) throws {
        for threads in [1, 2, 4] {
            try runs.run(
                runs.calibration(
                    "\(threads).gguf",
                    model: Fixtures.path("hub/\(type == "q4_k_m" ? "llama3" : "gemma3-text")"),
                    ["--memory", "1G", "--type", type, "--threads", "\(threads)"]))
        }
        let first = try contents(runs.path("1.gguf"))
        #expect(try contents(runs.path("2.gguf")) == first && contents(runs.path("4.gguf")) == first)
    }

    @Test("Killed at ten random moments it goes on to the same bytes", .timeLimit(.minutes(3)))
    func killed() throws {
        let more = ["--sequences", "48", "--threads", "1"]
        let start = ContinuousClock.now
        try runs.run(runs.calibration("whole.gguf", more))
        let duration = start.duration(to: .now) / .seconds(1)
        var random = SeededGenerator(seed: 7)
        // Kills, and those of them that left something to go on with.
        var (kills, partial) = (0, 0)
        for round in 0..<60 where kills < 10 || partial == 0 {
            let process = CommandLineTool.process(runs.calibration("out.gguf", more + ["--force"]))
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            Thread.sleep(forTimeInterval: Double.random(in: 0.1...0.6, using: &random) * duration)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal {
                kills += 1
                partial += runs.stepsDone("out.gguf") > 0 ? 1 : 0
            } else {
                // It was done: from the beginning.
                #expect(process.terminationStatus == 0, "round \(round)")
                #expect(try contents(runs.path("out.gguf")) == contents(runs.path("whole.gguf")))
            }
        }
        #expect(kills >= 10 && partial > 0, "\(kills), \(partial)")
        let done = runs.stepsDone("out.gguf")
        let last = try runs.run(runs.calibration("out.gguf", more + ["--force", "--json"]))
        #expect(try runs.calibrationReport(last)["resumed_steps"] as? Int == done)
        #expect(try contents(runs.path("out.gguf")) == contents(runs.path("whole.gguf")))
        #expect(try runs.folder.names == ["out.gguf", "text.txt", "whole.gguf"])
    }

    @Test("Ctrl-C says how to go on, and leaves no output")
    func interrupted() throws {
        let process = CommandLineTool.process(runs.calibration("out.gguf", ["--sequences", "100"]))
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        while !FileManager.default.fileExists(atPath: runs.path("out.gguf.calibration/journal.jsonl")) {
            Thread.sleep(forTimeInterval: 0.01)
        }
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(process.terminationStatus == 130)
        #expect(text.contains("the same command goes on from the last sublayer that is done"), "\(text)")
        #expect(try !runs.folder.names.contains("out.gguf"))
    }

    @Test("A scratch folder of something else is an error that names what differs")
    func scratch() throws {
        try runs.folder.makeFolder("scratch")
        try runs.folder.write([1], to: "scratch/photo.jpg")
        let more = ["--scratch", runs.path("scratch")]
        #expect(
            try runs.error(runs.calibration("out.gguf", more)).contains(
                "scratch: is not empty and holds no calibration (photo.jpg); choose another folder"))
        try FileManager.default.removeItem(atPath: runs.path("scratch"))
        let process = CommandLineTool.process(runs.calibration("out.gguf", more + ["--sequences", "100"]))
        process.standardError = FileHandle.nullDevice
        try process.run()
        while !FileManager.default.fileExists(atPath: runs.path("scratch/journal.jsonl")) {
            Thread.sleep(forTimeInterval: 0.01)
        }
        // It holds the folder, and does not come to its end however long the next takes.
        kill(process.processIdentifier, SIGSTOP)
        let busy = try runs.error(runs.calibration("out.gguf", more + ["--sequences", "100"]))
        #expect(busy.contains("scratch: is in use by process \(process.processIdentifier)"), "\(busy)")
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let other = try runs.error(runs.calibration("out.gguf", more + ["--sequences", "99"]))
        #expect(other.contains("scratch: was begun with other settings ("), "\(other)")
        #expect(other.contains("100 sequences") && other.contains("99 sequences"))
        let level = try CommandLineTool.run(
            runs.calibration("out.gguf", more + ["--sequences", "100"]),
            environment: ["NIBBLE_KERNELS": "scalar"])
        #expect(level.status == 1 && level.errors.contains("another arithmetic ("), "\(level.errors)")
        let types = try runs.error(
            runs.calibration("out.gguf", more + ["--sequences", "100", "--type", "q8_0"]))
        #expect(types.contains("other formats ("), "\(types)")
    }

    @Test("A dry run says memory, scratch and time, and writes nothing")
    func dryRun() throws {
        let plan = try runs.calibrationReport(
            try runs.run(runs.calibration("out.gguf", ["--dry-run", "--json"])))
        for name in ["memory_bytes", "scratch_bytes", "free_bytes"] {
            #expect(plan[name] as? Int ?? 0 > 0, "\(name)")
        }
        #expect(plan["seconds"] as? Double ?? 0 > 0)
        #expect((plan["arithmetic"] as? String)?.contains(" products, ") == true)
        #expect((plan["restrictions"] as? [String])?.isEmpty == true)
        let text = try runs.run(runs.calibration("out.gguf", ["--dry-run"])).output
        #expect(text.contains("scratch") && text.contains("blk.0.attn_q.weight"))
        #expect(try runs.folder.names == ["text.txt"])
    }

    @Test("A model may write its text, and methods go by their names")
    func ownText() throws {
        var own = runs.calibration("own.gguf", ["--sequences", "4", "--method", "gptq"])
        own[own.firstIndex(of: runs.text) ?? 0] = "self"
        try runs.run(own)
        let found = try ModelCheckpoint(path: runs.path("own.gguf")).provenance()
        let methods = try #require(found?.calibration).methods
        #expect(methods.count { $0.methods == "gptq" } == 56)
        #expect(try runs.folder.names == ["own.gguf", "text.txt"])
        let nearest = runs.calibration("nearest.gguf", ["--method", "nearest"])
        try runs.run(nearest)
        try runs.run(["convert", Fixtures.path("hub/gemma3-text"), "-o", runs.path("plain.gguf"), "--quiet"])
        let (left, right) = (
            try ModelCheckpoint(path: runs.path("nearest.gguf")),
            try ModelCheckpoint(path: runs.path("plain.gguf"))
        )
        for (one, other) in zip(left.tensors, right.tensors) {
            #expect(one.entry.bytes.elementsEqual(other.entry.bytes), "\(one.entry.name)")
        }
    }

    @Test("A folder of F16 holds the weights of Q4_0, which plain rounding finds again")
    func folder() throws {
        try runs.run(runs.calibration("out.gguf", ["--embedding-type", "q8_0"]))
        try runs.run(runs.calibration("out", ["--type", "q4_0"]))
        try runs.run(["convert", runs.path("out"), "-o", runs.path("again.gguf"), "--quiet"])
        let (one, other) = (
            try ModelCheckpoint(path: runs.path("out.gguf")),
            try ModelCheckpoint(path: runs.path("again.gguf"))
        )
        for (left, right) in zip(one.tensors, other.tensors) {
            #expect(left.entry.name == right.entry.name)
            #expect(left.entry.bytes.elementsEqual(right.entry.bytes), "\(left.entry.name)")
        }
        let stored = try HubTensors(folder: runs.path("out"))
        #expect(stored.tensors.values.contains { $0.type == "F16" })
    }

    @Test("A source that is quantized already is said, unless it is dithered")
    func quantized() throws {
        let source = runs.path("q8.gguf")
        try runs.run(["convert", Fixtures.path("hub/llama3"), "-o", source, "--type", "q8_0", "--quiet"])
        let plain = try runs.run(runs.calibration("out.gguf", model: source))
        #expect(plain.errors.contains("warning: the source is quantized already (Q8_0)"), "\(plain.errors)")
        let dithered = try runs.run(runs.calibration("dithered.gguf", model: source, ["--dither", "3"]))
        #expect(!dithered.errors.contains("lie on ties"), "\(dithered.errors)")
        #expect(try contents(runs.path("out.gguf")) != contents(runs.path("dithered.gguf")))
    }
}
