internal import Foundation
internal import Nibble

/// Text that a command reads.
enum InputText {
    /// The bytes of the file at `path`, or of standard input.
    static func read(_ path: String?) throws(CheckpointError) -> [UInt8] {
        if let path, path != "-" {
            // Not mapped: `path` may be a pipe.
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CheckpointError(.inputOutput, path: path, "cannot be read")
            }
            return Array(data)
        }
        do {
            return Array(try FileHandle.standardInput.readToEnd() ?? Data())
        } catch {
            throw CheckpointError(.inputOutput, path: "standard input", "cannot be read")
        }
    }
}
