/// A training run that cannot be made, or cannot go on, as asked: where, what is wrong, and what to do about it.
///
/// What concerns a checkpoint or a file as such is a `CheckpointError`, what concerns a text a `TextError`.
public struct TrainingError: Error, Sendable, Equatable {
    /// The kinds of failure that a caller may want to tell apart.
    public enum Code: String, Sendable, Equatable {
        /// A recipe with an unknown field, a value out of range, or values that contradict each other.
        case invalidRecipe
        /// A run folder, a saved state or a teacher's cache that belongs to something else.
        case mismatch
        /// NaN, infinity, or a loss that ran away.
        case diverged
        /// More memory than the machine has.
        case outOfMemory
        /// The caller stopped the work.
        case cancelled
    }

    /// The kind of failure.
    public var code: Code
    /// The file or folder concerned, or what else the error is about.
    public var subject: String
    /// Line of the file, counted from 1, where one is known.
    public var line: Int?
    /// What is wrong, with what was expected and found.
    public var problem: String
    /// What to do about it.
    public var advice: String?

    /// Creates an error.
    public init(
        _ code: Code, _ subject: String, line: Int? = nil, _ problem: String, advice: String? = nil
    ) {
        self.code = code
        self.subject = subject
        self.line = line
        self.problem = problem
        self.advice = advice
    }
}

extension TrainingError: CustomStringConvertible {
    /// One line: `recipe.yaml:12: steps is -3, expected 1 or more; ...`.
    public var description: String {
        subject + (line.map { ":\($0)" } ?? "") + ": " + problem + (advice.map { "; " + $0 } ?? "")
    }
}
