/// A text that sequences of tokens cannot be made of: where, what is wrong, and what to do about it.
///
/// A file that cannot be read is a `CheckpointError`.
public struct TextError: Error, Sendable, Equatable {
    /// The file or folder concerned.
    public var subject: String
    /// Line of the file, counted from 1, where one is known.
    public var line: Int?
    /// What is wrong, with what was expected and found.
    public var problem: String
    /// What to do about it.
    public var advice: String?

    /// Creates an error.
    public init(_ subject: String, line: Int? = nil, _ problem: String, advice: String? = nil) {
        self.subject = subject
        self.line = line
        self.problem = problem
        self.advice = advice
    }
}

extension TextError: CustomStringConvertible {
    /// One line: `texts.jsonl:12: has no field 'text', it has 'body'; name the field that holds the text`.
    public var description: String {
        subject + (line.map { ":\($0)" } ?? "") + ": " + problem + (advice.map { "; " + $0 } ?? "")
    }
}
