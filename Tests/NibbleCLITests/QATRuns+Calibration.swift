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

    /// What a command that has to fail says.
    func error(_ command: [String]) throws -> String {
        let result = try CommandLineTool.run(command)
        #expect(result.status == 1, "\(result)")
        return result.errors
    }
}
