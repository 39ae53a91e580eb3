/// What a user should know of a checkpoint before relying on a result: what was left out or made up, and which of
/// two parts that contradict each other counts.
///
///     model/config.json, 'eos_token_id': is 99999, there are 512 tokens; read as none
public struct CheckpointNote: Sendable, Equatable {
    /// The file or folder concerned.
    public var path: String
    /// The tensor, key or field concerned, as it should be shown: `'eos_token_id'`.
    public var subject: String?
    /// What is the case, with counts and names, and what was made of it.
    public var text: String

    /// Creates a note.
    public init(path: String, subject: String? = nil, _ text: String) {
        self.path = path
        self.subject = subject
        self.text = text
    }
}

extension CheckpointNote: CustomStringConvertible {
    /// One line: path, subject: text.
    public var description: String { path + (subject.map { ", " + $0 } ?? "") + ": " + text }
}

extension Sequence<String> {
    /// `a, b, c and 12 more`: the names of a list, of which the first few are enough.
    package func listed(_ limit: Int = 5) -> String {
        let names = Array(self)
        let rest = names.count - limit
        let shown = names.prefix(limit).joined(separator: ", ")
        return rest > 0 ? "\(shown) and \(rest) more" : shown
    }
}
