internal import NibbleCheckpoint

/// A file of one JSON object a line.
enum JSONLines {
    /// Whether a path is that of such a file.
    static func isNamed(_ path: String) -> Bool { path.lowercased().hasSuffix(".jsonl") }

    /// Calls `body` with the object of each line that is not blank, and the number of the line, from 1.
    ///
    /// - Throws: ``TextError`` where a line is no JSON object or all are blank, and what `body` throws.
    static func forEach(
        in file: MappedFile, _ body: (JSONValue, Int) throws(TextError) -> Void
    ) throws(TextError) {
        var number = 0
        var start = 0
        var isEmpty = true
        while start < file.count {
            number += 1
            let end = file.bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? file.count
            let line = UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])
            if !line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) {
                try body(try object(line, path: file.path, number: number, offset: start), number)
                isEmpty = false
            }
            start = end + 1
        }
        guard !isEmpty else {
            throw TextError(file.path, "has only blank lines", advice: "leave it out, or check the path")
        }
    }

    private static func object(
        _ line: UnsafeRawBufferPointer, path: String, number: Int, offset: Int
    ) throws(TextError) -> JSONValue {
        let value: JSONValue
        do throws(CheckpointError) {
            value = try JSONParser.parse(line, path: path, base: offset)
        } catch {
            throw TextError(
                path, line: number, "byte \(error.offset ?? offset): \(error.problem)",
                advice: "every line has to be a JSON object in UTF-8")
        }
        guard value.members != nil else { throw TextError(path, line: number, "is no JSON object") }
        return value
    }

    /// What a value is, for errors: `a number`.
    static func kind(of value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
