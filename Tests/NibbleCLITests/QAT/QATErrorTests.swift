import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("Mistakes with nibble qat")
struct QATErrorTests {
    private let runs: QATRuns
    private let teacher = Fixtures.path("hub/gemma3-text")

    init() throws { runs = try QATRuns() }

    /// Runs a command that has to fail with just this on standard error and nothing on standard output.
    private func expect(
        _ message: String, from command: [String], location: SourceLocation = #_sourceLocation
    ) throws {
        let result = try CommandLineTool.run(command)
        #expect(result.status == 1, sourceLocation: location)
        #expect(result.errors == "nibble: \(message)\n", sourceLocation: location)
        #expect(result.output.isEmpty, sourceLocation: location)
    }

    private func command(_ more: [String]) -> [String] { runs.command("run", more + ["--quiet"]) }

    @Test("in the recipe name the field, what is allowed, and the line where it stands in a file")
    func recipe() throws {
        let override = "recipe override: "
        for (field, message) in [
            (
                "optimizer.learning_rat=1",
                "has an unknown field 'optimizer.learning_rat'; did you mean 'optimizer.learning_rate'?"
            ),
            (
                "optimizer.learning_rate=2",
                "optimizer.learning_rate is 2, expected a number above 0, at most 1"
            ),
            ("train.steps=-1", "train.steps is -1, expected an integer from 0 to 1000000"),
            (
                "train.sequence_length=50",
                "train.sequence_length is 50, expected a multiple of 32 from 32 to 131072"
            ),
        ] {
            try expect(override + message, from: command(["--set", field]))
        }
        try expect(
            override + "train.steps is -1, expected an integer from 0 to 1000000",
            from: command(["--steps=-1"]))
        try expect(
            override + "train.sequence_length is 50, expected a multiple of 32 from 32 to 131072",
            from: command(["--sequence-length", "50"]))
        try expect(
            override
                + "quantization.type is q9, expected f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_0, q2_k, "
                + "q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m, q6_k, iq4_nl, iq4_xs, int4, int4_32, "
                + "int4_64, int4_128 or sfp8",
            from: command(["--type", "q9"]))
        for (yaml, message) in [
            (
                "train:\n  steps: 10\n  stepz: 5\n",
                "has an unknown field 'train.stepz'; did you mean 'steps'?"
            ),
            ("train:\n  steps: 10\n  seed: -5\n", "train.seed is -5, expected an integer of 0 or more"),
        ] {
            let path = try runs.folder.write(Array(yaml.utf8), to: "recipe.yaml")
            try expect("\(path):3: \(message)", from: command(["--recipe", path]))
        }
        #expect(try runs.folder.names == ["recipe.yaml", "text.txt"])
    }

    @Test("in matrices whose scales cannot be learned: an error where GPTQ is asked for, else a note")
    func unlearnedScales() throws {
        let options = [
            "--set", "quantization.scales=auto", "--set",
            "quantization.tensor_types=[{pattern: ffn_down, type: q5_1}]",
        ]
        let obstacle = "'blk.0.ffn_down.weight' becomes Q5_1, whose scales cannot be learned"
        try expect(
            "calibration.method gptq: needs learned scales, but \(obstacle); set calibration.method to auto or "
                + "nearest, or give all trained matrices such a type",
            from: command(options + ["--set", "calibration.method=gptq"]))
        let result = try CommandLineTool.run(runs.command("noted", options))
        #expect(
            result.status == 0 && result.errors.contains(" matrices are rounded to nearest, without GPTQ; "))
        #expect(result.errors.contains(": \(obstacle)\n"))
        let file = try ModelCheckpoint(path: runs.path("noted") + "/model.gguf").provenance()?.calibration
        #expect(file?.methods.contains { $0.methods == "nearest, no gptq: \(obstacle)" } == true)
    }

    @Test("in what int4 and sfp8 cannot be: a GGUF file, learned scales, GPTQ, masked")
    func folderTypes() throws {
        for type in ["int4", "int4_32", "sfp8"] {
            let file = runs.path("a.gguf")
            try expect(
                "\(file): GGUF files cannot hold \(type); name a folder, or choose a type of GGUF files, such as q4_0",
                from: command(["--type", type, "--export", file]))
            for (field, message) in [
                (
                    "quantization.scales=learned",
                    "quantization.scales is learned, but quantization.type is \(type), expected q4_0, q5_0 or q8_0"
                ),
                (
                    "calibration.method=gptq",
                    "calibration.method is gptq, but quantization.type is \(type), expected q4_0, q5_0 or q8_0"
                ),
                (
                    "quantization.gradient=masked",
                    "quantization.gradient is masked, but quantization.type is \(type): these clip no value"
                ),
            ] {
                let result = try CommandLineTool.run(command(["--type", type, "--set", field]))
                #expect(result.status == 1 && result.errors.contains(message), "\(result.errors)")
            }
        }
        #expect(try runs.folder.names == ["text.txt"])
    }

    @Test("in the plan: a type that rounds nothing, less memory than it takes")
    func plan() throws {
        try expect(
            "quantization.type bf16: quantizes nothing of what is trained; choose a quantized type, such as q4_0",
            from: command(["--type", "bf16"]))
        // With tiles less is held.
        let result = try CommandLineTool.run(command(["--memory", "2M", "--set", "train.precision=f32"]))
        #expect(result.status == 1)
        let pattern =
            #/nibble: .*\/hub\/gemma3-text: training needs \d.* MB, 1\.\d MB may be used \(nine tenths of the memory given\); it fits with one of optimizer.state=int8 \(1\.\d MB\), train.sequence_length=32 \(1\.\d MB\)\n/#
        #expect(result.errors.wholeMatch(of: pattern) != nil, "\(result.errors)")
        #expect(try runs.folder.names == ["text.txt"])
    }

    @Test("in the text: missing, too short, not UTF-8")
    func text() throws {
        func command(_ text: String, _ more: [String] = []) -> [String] {
            [
                "qat", teacher, "--text", text, "--output", runs.path("run"), "--sequence-length", "64",
                "--quiet",
            ]
                + more
        }
        let missing = runs.path("none.txt")
        try expect(
            "\(missing): cannot open: No such file or directory; check the path", from: command(missing))
        let short = try runs.folder.write(Array("Hi there.".utf8), to: "short.txt")
        try expect(
            "\(short): has 5 tokens, a sequence of 64 needs 63; add text, or lower train.sequence_length",
            from: command(short))
        let broken = try runs.folder.write([0x61, 0x62, 0x63, 0xFF, 0xFE], to: "broken.txt")
        try expect("\(broken): is not valid UTF-8 at byte 3; save it as UTF-8", from: command(broken))
        try expect(
            "text: has 137 sequences of 64 tokens (8768 tokens), a step needs 200 (12800 tokens); add text, or "
                + "lower train.sequences_per_step or train.sequence_length",
            from: self.command(["--set", "train.sequences_per_step=200"]))
        let none = try CommandLineTool.run(["qat", teacher, "--output", runs.path("run")])
        #expect(none.status == 64)
        #expect(none.errors.hasPrefix("Error: Missing expected argument '--text <path> ...'\n"))
        #expect(!FileManager.default.fileExists(atPath: runs.path("run")))
    }

    @Test("in the run folder: a run that is there, another run's settings, a file, no right to write")
    func runFolder() throws {
        let run = runs.path("run")
        try runs.run(command(["--steps", "5"]))
        try expect(
            "\(run): holds a run already; go on with it (--resume), or begin in another folder",
            from: command(["--steps", "5"]))
        // All four parts of what a run is.
        let page = try runs.folder.write(Array(try contents(runs.text).dropFirst(1000)), to: "page.txt")
        let other = [
            "qat", Fixtures.path("hub/smollm2"), "--text", page, "--sequence-length", "64", "--steps", "6",
            "--set", "evaluation.chunks=2", "--quiet",
        ]
        try runs.run(other + ["--output", runs.path("other")])
        let pairs = try ["teacher", "text", "held_out", "recipe"].map { part in
            let digests = try ["run", "other"].map {
                try #require(
                    try QATRuns.json(String(decoding: contents(runs.path($0) + "/run.json"), as: UTF8.self))[
                        part + "_digest"] as? String)
            }
            let name = part == "held_out" ? "held-out text" : part
            return "another \(name) (digest \(digests[0]), now \(digests[1]))"
        }
        try expect(
            "\(run): was begun with \(pairs.joined(separator: " and ")); resume with what it was begun with, or "
                + "begin in another folder", from: other + ["--output", run, "--resume"])

        let file = try runs.folder.write([1], to: "file")
        try expect(
            "\(file): is no folder; choose another place", from: runs.command("file", ["--quiet"]))
        let nowhere = runs.path("nowhere/run")
        try expect(
            "\(nowhere): cannot create the folder: No such file or directory; check the path",
            from: runs.command("nowhere/run", ["--quiet"]))
    }

    @Test(
        "in the run folder: no right to write",
        .enabled(
            if: geteuid() != 0 || FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"),
            "the superuser may write anywhere, and there is no /usr/bin/setpriv to be someone else"))
    func permission() throws {
        let place = runs.path("closed")
        try runs.folder.makeFolder("closed")
        try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: place)
        defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place) }
        let process = CommandLineTool.process(runs.command("closed/run", ["--quiet"]))
        if geteuid() == 0 {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
            process.arguments =
                ["--reuid=65534", "--regid=65534", "--clear-groups", CommandLineTool.path]
                + (process.arguments ?? [])
        }
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(
            message == """
                nibble: \(place)/run: cannot create the folder: Permission denied; check the permissions

                """)
    }

    @Test("in the export: no run, no state, a state that is gone, another teacher")
    func export() throws {
        let (run, output) = (runs.path("run"), runs.path("x.gguf"))
        try expect(
            "\(run): is no folder, expected a run; check the path",
            from: ["qat", "export", run, "-o", output])
        try runs.run(command(["--set", "checkpoints.every=5", "--set", "evaluation.every=0"]))
        try expect(
            "\(run): has no state of step 7; there: 15, 20; name one of these, last or best",
            from: ["qat", "export", run, "-o", output, "--state", "7"])
        let other = Fixtures.path("hub/smollm2")
        let result = try CommandLineTool.run(["qat", "export", run, "-o", output, "--teacher", other])
        #expect(result.errors.hasPrefix("nibble: \(run): was trained toward another teacher (digest "))
        #expect(result.errors.hasSuffix("); name the teacher with --teacher\n"))
        for step in ["15", "20"] {
            try FileManager.default.removeItem(atPath: run + "/checkpoints/step-000000\(step).safetensors")
        }
        try expect(
            "\(run): has saved no state yet; train until the first checkpoint (checkpoints.every)",
            from: ["qat", "export", run, "-o", output])
        #expect(!FileManager.default.fileExists(atPath: output))
    }
}
