/// Why something could not be had from a hub, or not be brought there.
public struct HubError: Error, Sendable, CustomStringConvertible {
    /// The kind.
    public let code: Code
    /// The repository, file or address.
    public let subject: String
    /// What is wrong with it.
    public let problem: String
    /// What to do.
    public let advice: String?
    /// Seconds that the hub asks to wait before the next try; nil where it does not say.
    var delay: Double?

    /// Kinds of errors.
    public enum Code: Sendable {
        /// A text that names no repository.
        case invalidName
        /// The hub was asked for what it does not have.
        case notFound
        /// It asks who is asking.
        case unauthorized
        /// What was to be written is based on what another has changed.
        case conflict
        /// Its terms have to be agreed to first.
        case gated
        /// It asks to wait, and longer than was waited.
        case rateLimited
        /// It cannot be reached, or the connection broke too often.
        case unreachable
        /// What it sent is not what it announced.
        case corrupt
        /// An address that it named is no longer taken.
        case expired
        /// It answered as no hub does.
        case unexpected
        /// A file or folder of this machine.
        case inputOutput
        /// Only what is here may be used, and it is not.
        case offline
        /// It was stopped.
        case cancelled
    }

    init(_ code: Code, _ subject: String, _ problem: String, advice: String? = nil) {
        (self.code, self.subject, self.problem, self.advice) = (code, subject, problem, advice)
    }

    /// `SUBJECT: PROBLEM; ADVICE`.
    public var description: String { subject + ": " + problem + (advice.map { "; " + $0 } ?? "") }
}
