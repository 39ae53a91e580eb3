import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("Training that cannot go on")
struct QATFailureTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    /// A copy of the Gemma of the fixtures with one value of a tensor that is not a number.
    private func damagedTeacher(_ tensor: String, element: Int) throws -> String {
        let folder = runs.path("damaged")
        try FileManager.default.copyItem(atPath: Fixtures.path("hub/gemma3-text"), toPath: folder)
        let path = folder + "/model.safetensors"
        let entry = try #require(try SafetensorsFile(path: path).tensors.first { $0.name == tensor })
        var bytes = try contents(path)
        let size = entry.range.count / entry.elementCount
        let nan: [UInt8] = size == 2 ? [0xC0, 0x7F] : [0, 0, 0xC0, 0x7F]
        let place = entry.range.lowerBound + element * size
        bytes.replaceSubrange(place..<place + size, with: nan)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return folder
    }

    @Test("because a weight of the teacher is not a number names tensor, row and column")
    func damagedWeight() throws {
        let teacher = try damagedTeacher("model.layers.3.self_attn.k_proj.weight", element: 32 * 5 + 7)
        let result = try CommandLineTool.run(runs.command("run", teacher: teacher, ["--quiet"]))
        #expect(result.status == 1)
        #expect(
            result.errors == """
                nibble: \(teacher)/model.safetensors, tensor 'model.layers.3.self_attn.k_proj.weight', row 5, \
                column 7: is NaN; the checkpoint is damaged or was trained to divergence

                """)
        #expect(!FileManager.default.fileExists(atPath: runs.path("run")))
    }

    @Test("because a norm of the teacher is not a number names the element")
    func damagedNorm() throws {
        let teacher = try damagedTeacher("model.layers.2.input_layernorm.weight", element: 3)
        let result = try CommandLineTool.run(runs.command("run", teacher: teacher, ["--quiet"]))
        #expect(result.status == 1)
        #expect(
            result.errors == """
                nibble: \(teacher)/model.safetensors, tensor 'model.layers.2.input_layernorm.weight', element 3: \
                is NaN; the checkpoint is damaged or was trained to divergence

                """)
    }

    @Test("because logits of the teacher are not numbers says where they come from", arguments: [0, 10])
    func damagedHead(every: Int) throws {
        // BF16, so that nobody encodes it.
        let teacher = try damagedTeacher("model.embed_tokens.weight", element: 1)
        let result = try CommandLineTool.run(
            runs.command(
                "run", teacher: teacher,
                [
                    "--quiet", "--set", "quantization.embedding_type=bf16", "--set",
                    "evaluation.every=\(every)",
                ]))
        #expect(result.status == 1)
        #expect(
            result.errors == """
                nibble: \(teacher), the vocabulary head: is the first to give NaN or infinity; the checkpoint is \
                damaged or was trained to divergence, or its weights are too large

                """)
    }

    @Test("because it ran away says so, and what to do; the state before is saved")
    func divergence() throws {
        let result = try CommandLineTool.run(
            runs.command(
                "run", steps: 100,
                ["--quiet", "--set", "optimizer.learning_rate=1", "--set", "checkpoints.every=1"]))
        #expect(result.status == 1)
        let pattern =
            #/nibble: step (\d+): the mean loss rose from 0\.\d+ to \d+\.\d+; begin in another folder with a lower optimizer\.learning_rate\n/#
        let match = try #require(result.errors.wholeMatch(of: pattern), "\(result.errors)")
        let step = try #require(Int(match.1))
        #expect(step < 20)
        #expect(try runs.savedSteps().last == step - 1)
        try runs.run(["qat", "export", runs.path("run"), "-o", runs.path("before.gguf"), "--quiet"])
    }

    @Test("because the disk is full keeps the last state, and goes on from it to the same bytes")
    func fullDisk() throws {
        let command = runs.command("run", every: 10, ["--quiet"])
        try runs.run(command)
        let whole = try contents(runs.path("run") + "/model.gguf")
        let path = runs.path("run") + "/checkpoints/step-00000020.safetensors"
        try FileManager.default.removeItem(atPath: path)
        let kept = try contents(runs.path("run") + "/checkpoints/step-00000010.safetensors")
        // The system refuses to write beyond 500 kB of a file; a state has 900.
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments =
            ["-c", "trap '' XFSZ; ulimit -f 500; exec \"$0\" \"$@\"", CommandLineTool.path] + command
            + ["--resume"]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        // Metadata hold figures with as many digits as they have.
        let expected = try Regex(
            "^nibble: \(NSRegularExpression.escapedPattern(for: path)): cannot take 901[0-9]{3} bytes: File too large\n$"
        )
        #expect(message.contains(expected), "\(message)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: runs.path("run") + "/checkpoints").sorted()
                == ["best.json", "step-00000010.safetensors"])
        #expect(try contents(runs.path("run") + "/checkpoints/step-00000010.safetensors") == kept)
        try runs.run(command + ["--resume"])
        #expect(try contents(runs.path("run") + "/model.gguf") == whole)
    }
}
