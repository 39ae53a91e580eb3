internal import NibbleCheckpoint

/// The figures of a run so far, read from `metrics.jsonl`.
struct MetricsHistory: Sendable, Equatable {
    /// One line.
    struct Record: Sendable, Equatable {
        /// Optimizer steps done.
        var step: Int
        /// The figures in the order of the line; NaN where `null` was written.
        var values: [Value]

        /// The figure called `name`; nil where the line has none.
        subscript(name: String) -> Double? { values.first { $0.name == name }?.value }
    }

    /// A figure. Two are equal where names and bits are, so that NaN equals itself.
    struct Value: Sendable, Equatable {
        /// Its name.
        var name: String
        /// Its value.
        var value: Double

        /// Compares names and bits.
        static func == (left: Value, right: Value) -> Bool {
            left.name == right.name && left.value.bitPattern == right.value.bitPattern
        }
    }

    /// The lines in order.
    var records: [Record]

    /// Reads the file at `path`; a last line without its end, as a killed process or one that is writing leaves
    /// it, is left out. No file is no lines.
    ///
    /// - Throws: `CheckpointError` (`malformed`) naming the line that is none.
    init(path: String) throws(CheckpointError) {
        records = []
        guard FilePath.exists(path) else { return }
        try Self.lines(MappedFile(path: path)) { record, _ in
            records.append(record)
            return true
        }
    }

    /// The steps and values of the figure called `name`.
    func series(_ name: String) -> [(step: Int, value: Double)] {
        records.compactMap { record in record[name].map { (record.step, $0) } }
    }

    /// Calls `take` with each whole line and the byte where it begins, until it returns false; returns where
    /// that line begins, or where the last whole line ends.
    @discardableResult
    static func lines(
        _ file: MappedFile, take: (Record, Int) -> Bool
    ) throws(CheckpointError) -> Int {
        defer { withExtendedLifetime(file) {} }
        var start = 0
        var number = 1
        while let end = file.bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let record = try record(file, start..<end, line: number)
            guard take(record, start) else { return start }
            start = end + 1
            number += 1
        }
        return start
    }

    private static func record(
        _ file: MappedFile, _ range: Range<Int>, line: Int
    ) throws(CheckpointError) -> Record {
        func malformed(_ problem: String) -> CheckpointError {
            CheckpointError(
                .malformed, path: file.path, offset: range.lowerBound, subject: "line \(line)", problem,
                advice: "remove the line")
        }
        let json: JSONValue
        do throws(CheckpointError) {
            json = try JSONParser.parse(
                UnsafeRawBufferPointer(rebasing: file.bytes[range]), path: file.path, base: range.lowerBound)
        } catch {
            throw malformed(error.problem)
        }
        guard let step = json[MetricName.step]?.integer, step >= 0 else {
            throw malformed("is no object with a step >= 0")
        }
        var values: [Value] = []
        for member in json.members ?? [] where member.name != MetricName.step {
            if member.value.isNull {
                values.append(Value(name: member.name, value: .nan))
            } else if let value = member.value.real {
                values.append(Value(name: member.name, value: value))
            } else {
                throw malformed("'\(member.name)' is neither a number nor null")
            }
        }
        return Record(step: step, values: values)
    }
}
