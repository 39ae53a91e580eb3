internal import NibbleCheckpoint

/// What of a calibration is done, a line of JSON for each step in the order of ``CalibrationStep``.
///
/// A line is written when what its step made is in the files. A process that was killed may leave half a line, which does
/// not count.
final class CalibrationJournal {
    /// The steps that are done.
    private(set) var records: [CalibrationRecord]
    private var file: AppendedFile
    private var path: String { file.path }

    /// Opens the journal at `path`, which is created where it is missing.
    init(path: String) throws(CheckpointError) {
        var file = try AppendedFile(path: path)
        let text = try MappedFile(path: path)
        var records: [CalibrationRecord] = []
        var end = 0
        while let newline = text.bytes[end...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = UnsafeRawBufferPointer(rebasing: text.bytes[end..<newline])
            guard let record = CalibrationRecord(try JSONParser.parse(line, path: path, base: end)) else {
                throw CheckpointError(
                    .malformed, path: path, offset: end, "is no line of a calibration's journal",
                    advice: "remove its folder and begin again")
            }
            records.append(record)
            end = newline + 1
        }
        try file.truncate(to: end)
        self.records = records
        self.file = file
    }

    /// The digest of the encoded rows of a matrix of a quantized model; nil where it is not rounded yet.
    func digest(of name: String, variant: Int) -> String? {
        for record in records {
            for matrix in record.sublayer?.matrices ?? []
            where matrix.variant == variant && matrix.result.name == name {
                return matrix.digest
            }
        }
        return nil
    }

    /// Checks that the record at `index` is of `step`.
    func check(_ step: CalibrationStep, at index: Int) throws(CheckpointError) {
        guard records[index].step != step.description else { return }
        throw CheckpointError(
            .malformed, path: path, "step \(index) is '\(records[index].step)', expected '\(step)'",
            advice: "it was written by another version of Nibble; remove its folder and begin again")
    }

    /// Adds a step that is done.
    func append(_ record: CalibrationRecord) throws(CheckpointError) {
        try file.append((record.json.serialized(pretty: false) + "\n").utf8)
        records.append(record)
    }
}
