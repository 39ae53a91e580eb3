internal import NibbleCheckpoint

/// Takes the documents out of a file.
package struct TextDocuments {
    /// The field of a line of JSON that holds the text.
    private let textField: String

    package init(textField: String) { self.textField = textField }

    /// Calls `body` with the UTF-8 of each document: each line of a `.jsonl` file that is not blank, or the file.
    package func forEach(in path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        let file = try MappedFile(text: path)
        guard file.count > 0 else {
            throw TextError(path, "is empty", advice: "leave it out, or check the path")
        }
        if path.lowercased().hasSuffix(".jsonl") {
            try forEachLine(of: file, body)
        } else {
            if let place = UTF8Validation.firstInvalidByte(file.bytes) {
                throw TextError(
                    path, "is not valid UTF-8 at byte \(place)", advice: "save it as UTF-8")
            }
            body(file.bytes)
        }
    }

    private func forEachLine(
        of file: MappedFile, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(TextError) {
        var number = 0
        var start = 0
        var documents = 0
        while start < file.count {
            number += 1
            let end = file.bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? file.count
            let line = UnsafeRawBufferPointer(rebasing: file.bytes[start..<end])
            if !line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) {
                var text = try text(of: line, path: file.path, number: number, offset: start)
                text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
                documents += 1
            }
            start = end + 1
        }
        guard documents > 0 else {
            throw TextError(
                file.path, "has only blank lines", advice: "leave it out, or check the path")
        }
    }

    private func text(
        of line: UnsafeRawBufferPointer, path: String, number: Int, offset: Int
    ) throws(TextError) -> String {
        let value: JSONValue
        do throws(CheckpointError) {
            value = try JSONParser.parse(line, path: path, base: offset)
        } catch {
            throw TextError(
                path, line: number, "byte \(error.offset ?? offset): \(error.problem)",
                advice: "every line has to be a JSON object in UTF-8")
        }
        guard let members = value.members else {
            throw TextError(
                path, line: number, "is no JSON object, expected {\"\(textField)\": \"...\"}")
        }
        guard let field = value[textField] else {
            let names = members.prefix(8).map { "'\($0.name)'" }.joined(separator: ", ")
            throw TextError(
                path, line: number,
                "has no field '\(textField)', it has " + (names.isEmpty ? "none" : names),
                advice: "name the field that holds the text")
        }
        guard let text = field.text else {
            throw TextError(
                path, line: number, "field '\(textField)' is no string but \(kind(of: field))")
        }
        return text
    }

    private func kind(of value: JSONValue) -> String {
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
