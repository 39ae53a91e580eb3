import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

/// A folder with a training text, in which `nibble qat` trains tiny teachers.
struct QATRuns {
    let folder: TemporaryFolder
    /// English, some 9000 tokens of the tiny vocabularies.
    let text: String

    init() throws {
        folder = try TemporaryFolder()
        let page = String(decoding: try contents(Fixtures.path("texts/english.txt")), as: UTF8.self)
        let book = (1...6).map { "Part \($0).\n\(page)" }.joined()
        text = try folder.write(Array(book.utf8), to: "text.txt")
    }

    /// The path of the run called `name`.
    func path(_ name: String) -> String { folder.file(name) }

    /// A command that trains: sequences of 64 tokens, two of them held out and one a step; linear weights alone, their
    /// scales recomputed, unless `more` says otherwise.
    func command(
        _ output: String = "run", teacher: String = Fixtures.path("hub/gemma3-text"), steps: Int = 20,
        every: Int = 10, _ more: [String] = []
    ) -> [String] {
        [
            "qat", teacher, "--text", text, "--output", path(output), "--steps", "\(steps)",
            "--sequence-length", "64", "--threads", "2", "--set", "evaluation.chunks=2",
            "--set", "evaluation.every=\(every)", "--set", "checkpoints.every=\(every)",
            "--set", "optimizer.learning_rate=1e-3", "--set", "optimizer.relative_rates=false",
            "--set", "optimizer.norm_learning_rate=1e-3", "--set", "optimizer.clip_norm=1",
            "--set", "schedule.final_fraction=0.1", "--set", "quantization.scales=recomputed",
            "--set", "train.parameters=linear", "--set", "train.sequences_per_step=1",
        ] + more
    }

    /// Runs a command that has to succeed.
    @discardableResult
    func run(_ command: [String]) throws -> CommandLineTool.Result {
        let result = try CommandLineTool.run(command)
        try #require(result.status == 0, "\(result.errors)")
        return result
    }

    /// Starts a command, and sends it `signal` as soon as it has logged `lines` lines of metrics.
    func interrupt(
        _ command: [String], run: String, signal: Int32, lines: Int
    ) throws -> (errors: String, output: String, status: Int32) {
        let process = CommandLineTool.process(command)
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let deadline = ContinuousClock.now + .seconds(60)
        while process.isRunning, ((try? metrics(run).count) ?? 0) < lines, ContinuousClock.now < deadline {
            usleep(1_000)
        }
        kill(process.processIdentifier, signal)
        let text = [errors, output].map {
            String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }
        process.waitUntilExit()
        return (text[0], text[1], process.terminationStatus)
    }

    /// What `nibble qat status` says.
    func status(_ name: String = "run") throws -> [String: Any] {
        try Self.json(try run(["qat", "status", path(name), "--json"]).output)
    }

    /// One JSON object.
    static func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// The lines of a run's `metrics.jsonl`.
    func metrics(_ name: String = "run") throws -> [[String: Any]] {
        try String(decoding: contents(path(name) + "/metrics.jsonl"), as: UTF8.self)
            .split(separator: "\n").map { try Self.json(String($0)) }
    }

    /// Checks that every step, and every evaluation, is in the metrics of a finished run once and in order, with the
    /// figures of another run.
    func expectSameMetrics(_ name: String, as other: String) throws {
        func figures(_ name: String, _ figure: String) throws -> [[Double]] {
            try metrics(name).compactMap { line in
                guard let step = line["step"] as? Int, let value = line[figure] as? Double else { return nil }
                return [Double(step), value]
            }
        }
        for figure in ["loss", "gradient_norm", "held_out_loss"] {
            let found = try figures(name, figure)
            #expect(try found == figures(other, figure), "\(figure) of \(name)")
            #expect(!found.isEmpty)
        }
    }

    /// The bytes of all tensors of a GGUF file by name.
    static func tensors(_ path: String) throws -> [String: [UInt8]] {
        let file = try GGUFFile(path: path)
        return Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, Array($0.bytes)) })
    }

    /// Steps with a saved state.
    func savedSteps(_ name: String = "run") throws -> [Int] {
        try #require(try status(name)["checkpoints"] as? [[String: Any]]).compactMap { $0["step"] as? Int }
    }
}
