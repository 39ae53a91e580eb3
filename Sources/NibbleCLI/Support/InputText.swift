internal import Nibble

/// Text that a command reads.
enum InputText {
    /// What stands for text that a model writes itself; a file of that name is `./self`.
    static let own = "self"

    /// The bytes of a file or pipe, or of standard input for `-` and where no path is given.
    static func read(_ path: String?) throws(CheckpointError) -> [UInt8] {
        let file = try MappedFile(text: path ?? "-")
        // The mapping ends with the object, whose last use would otherwise be before the copy.
        return withExtendedLifetime(file) { Array(file.bytes) }
    }

    /// The text of standard input, without the newline at its end.
    static func line() throws(CheckpointError) -> String {
        var bytes = try read("-")
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CheckpointError(.malformed, path: "standard input", "is not valid UTF-8")
        }
        return text
    }
}
