import Foundation
import NibbleTestSupport
import Testing

extension QATRuns {
    /// A calibrated conversion of Gemma 3 with 8 blocks: sequences of 64 tokens, 16 to calibrate on and 4 held out, unless
    /// `more` says otherwise.
    func calibration(
        _ output: String, model: String = Fixtures.path("hub/gemma3-text"), _ more: [String] = []
    ) -> [String] {
        [
            "convert", model, "-o", path(output), "--quiet", "--sequence-length", "64", "--calibrate", text,
        ] + (more.contains("--sequences") ? [] : ["--sequences", "16"]) + more
    }

    /// What a calibrated conversion prints of its calibration as JSON.
    func calibrationReport(_ result: CommandLineTool.Result) throws -> [String: Any] {
        try #require(try Self.json(result.output)["calibration"] as? [String: Any])
    }

    /// Whether a calibration was killed when its journal, in the scratch folder of an output, has some lines.
    ///
    /// - Returns: false where it came to its end before that.
    func killed(_ command: [String], of output: String, atLines lines: Int) throws -> Bool {
        let process = CommandLineTool.process(command)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        while process.isRunning, stepsDone(output) < lines { Thread.sleep(forTimeInterval: 0.002) }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
    }

    /// Steps that the journal in the scratch folder of an output has.
    func stepsDone(_ output: String) -> Int {
        let journal = try? contents(path(output + ".calibration/journal.jsonl"))
        return journal?.count { $0 == UInt8(ascii: "\n") } ?? 0
    }

    /// What a command that has to fail says.
    func error(_ command: [String]) throws -> String {
        let result = try CommandLineTool.run(command)
        #expect(result.status == 1, "\(result)")
        return result.errors
    }
}
