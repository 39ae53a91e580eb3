internal import NibbleCheckpoint

/// Writes the figures of a run, `metrics.jsonl`: a JSON object a line, handed to the system before the next
/// step begins.
///
///     {"step":100,"loss":0.0625,"held_out_loss":null}
final class MetricsLog {
    private var file: AppendedFile

    /// Opens the log at `path`; it is created where it is missing.
    ///
    /// - Parameter step: that of the state which the run goes on from. A process that was killed may have logged steps
    ///   after its last checkpoint, which are now taken again: the file is cut before the first line of a later
    ///   step, and so is a last line without its end. Nil where nothing was saved: then nothing stays, and what is
    ///   measured before the first step is measured again.
    /// - Throws: `CheckpointError` where the file cannot be written, or holds a line that is none.
    init(path: String, resumingAt step: Int?) throws(CheckpointError) {
        if let step { precondition(step >= 0, "step \(step), expected 0 or more") }
        var file = try AppendedFile(path: path)
        let kept = try MetricsHistory.lines(MappedFile(path: path)) { record, _ in
            step.map { record.step <= $0 } ?? false
        }
        try file.truncate(to: kept)
        self.file = file
    }

    /// Appends a line. Numbers are in the shortest form that reads back as the same `Double`; NaN and
    /// infinity, which JSON does not have, are written as `null`. Names are unique and not `step`.
    ///
    /// - Throws: `CheckpointError` (`inputOutput`) where the disk refuses; no half of the line stays.
    func append(step: Int, _ values: KeyValuePairs<String, Double>) throws(CheckpointError) {
        precondition(step >= 0, "step \(step), expected 0 or more")
        let names = [MetricName.step] + values.map(\.key)
        precondition(Set(names).count == names.count, "two figures have the same name: \(names)")
        var members = [JSONValue.Member(MetricName.step, .integer(step))]
        for (name, value) in values {
            members.append(.init(name, value.isFinite ? .real(value) : .null))
        }
        try file.append((JSONValue.object(members).serialized(pretty: false) + "\n").utf8)
    }
}
