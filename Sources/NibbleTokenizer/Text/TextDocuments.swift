package import NibbleCheckpoint

/// Takes the documents out of a file.
package struct TextDocuments {
    /// The field of a line of JSON that holds the text.
    private let textField: String

    package init(textField: String) { self.textField = textField }

    /// Calls `body` with the UTF-8 of each document: each line of a `.jsonl` file that is not blank, or the file.
    package func forEach(in path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        try forEach(in: try MappedFile(text: path), body)
    }

    /// The same of a file that is open.
    package func forEach(
        in file: MappedFile, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(TextError) {
        let path = file.path
        guard file.count > 0 else {
            throw TextError(path, "is empty", advice: "leave it out, or check the path")
        }
        if JSONLines.isNamed(path) {
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
        var lines = JSONLines(file)
        while let (value, number) = try lines.next() {
            var text = try text(of: value, path: file.path, number: number)
            text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
        }
    }

    private func text(of value: JSONValue, path: String, number: Int) throws(TextError) -> String {
        guard let field = value[textField] else {
            let names = (value.members ?? []).prefix(8).map { "'\($0.name)'" }.joined(separator: ", ")
            throw TextError(
                path, line: number,
                "has no field '\(textField)', it has " + (names.isEmpty ? "none" : names),
                advice: "name the field that holds the text")
        }
        guard let text = field.text else {
            throw TextError(
                path, line: number, "field '\(textField)' is no string but \(JSONLines.kind(of: field))")
        }
        return text
    }
}
