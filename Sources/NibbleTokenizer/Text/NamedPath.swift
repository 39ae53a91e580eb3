internal import NibbleCheckpoint

/// A text as a command line names it: `PATH`, or `NAME=PATH`.
package struct NamedPath: Sendable {
    /// Nil where there is none: also where there is a file of the whole text, or a `/` before the `=`.
    package var name: String?
    package var path: String

    package init(_ argument: String) {
        path = argument
        guard let place = argument.firstIndex(of: "="), place > argument.startIndex,
            !FilePath.exists(argument)
        else { return }
        let name = String(argument[..<place])
        guard !name.contains("/") else { return }
        self.name = name
        path = String(argument[argument.index(after: place)...])
    }
}
