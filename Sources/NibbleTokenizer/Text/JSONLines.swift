internal import NibbleCheckpoint

/// Reads a file of one JSON object a line.
package struct JSONLines {
    private let file: MappedFile
    /// The byte after the last line that was read, and its number.
    private var place = 0
    private var number = 0
    private var isEmpty = true

    init(_ file: MappedFile) { self.file = file }

    /// Whether a path is that of such a file.
    package static func isNamed(_ path: String) -> Bool { path.lowercased().hasSuffix(".jsonl") }

    /// The object of the next line that is not blank, and the number of the line, from 1; nil at the end.
    ///
    /// - Throws: ``TextError`` where a line is no JSON object, or all are blank.
    mutating func next() throws(TextError) -> (value: JSONValue, line: Int)? {
        while place < file.count {
            let start = place
            let end = file.bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? file.count
            (place, number) = (end + 1, number + 1)
            let line = UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])
            guard !line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) else { continue }
            isEmpty = false
            return (try Self.object(line, path: file.path, number: number, offset: start), number)
        }
        guard !isEmpty else {
            throw TextError(file.path, "has only blank lines", advice: "leave it out, or check the path")
        }
        return nil
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
