/// A checkpoint that cannot be read or written as asked: where, what was expected, what was found, and what
/// to do about it.
///
/// `code` is for programs, `description` for people:
///
///     model.gguf, byte 1 024, tensor 'blk.0.attn_q.weight': needs 4608 bytes, the file ends after 3000; the
///     download may be incomplete
public struct CheckpointError: Error, Sendable, Equatable {
    /// The kinds of failure that a caller may want to tell apart.
    public enum Code: String, Sendable, Equatable {
        /// The operating system refused: missing file, no permission, no space.
        case inputOutput
        /// The file ends before what its header announces.
        case truncated
        /// The bytes contradict the format's specification.
        case malformed
        /// Valid, but beyond what Nibble reads or writes.
        case unsupported
        /// Something that the rest of the checkpoint requires is not there.
        case missing
        /// Two parts of the checkpoint contradict each other.
        case inconsistent
        /// A number that no checkpoint should hold: NaN, infinity, a scale out of range.
        case invalidValue
        /// The caller asked for something that cannot be done with this checkpoint.
        case invalidRequest
        /// The caller stopped the work.
        case cancelled
    }

    /// The kind of failure.
    public var code: Code
    /// The file or folder concerned.
    public var path: String
    /// Byte offset in the file, where one is known.
    public var offset: Int?
    /// The tensor, key or field concerned, as it should be shown: `tensor 'blk.0.attn_q.weight'`.
    public var subject: String?
    /// What is wrong, with what was expected and found.
    public var problem: String
    /// What to do about it.
    public var advice: String?

    /// Creates an error.
    public init(
        _ code: Code, path: String, offset: Int? = nil, subject: String? = nil, _ problem: String,
        advice: String? = nil
    ) {
        self.code = code
        self.path = path
        self.offset = offset
        self.subject = subject
        self.problem = problem
        self.advice = advice
    }
}

extension CheckpointError: CustomStringConvertible {
    /// One line: path, byte, subject: problem; advice.
    public var description: String {
        var place = [path]
        if let offset { place.append("byte \(offset)") }
        if let subject { place.append(subject) }
        return place.joined(separator: ", ") + ": " + problem + (advice.map { "; " + $0 } ?? "")
    }
}
