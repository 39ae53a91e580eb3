internal import NibbleCheckpoint

/// The diary of a run, `log.txt`: one line an event, with its time in UTC.
///
///     2026-11-24T18:37:37.125Z resumed at step 100
final class RunLog {
    private var file: AppendedFile

    /// Opens the log at `path` at its end; it is created where it is missing.
    init(path: String) throws(CheckpointError) {
        file = try AppendedFile(path: path)
    }

    /// Appends an event. Line breaks in `event` become `\n`, so that an event stays on its line.
    func write(_ event: String, at time: UTCTime = .now) throws(CheckpointError) {
        var line = time.iso8601 + " "
        for scalar in event.unicodeScalars {
            switch scalar {
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            default: line.unicodeScalars.append(scalar)
            }
        }
        try file.append((line + "\n").utf8)
    }
}
