public import NibbleCheckpoint

/// A measurement that cannot be made as asked, or a number that no model should give.
///
/// What concerns a file is a `CheckpointError`; ``checkpointError(path:)`` makes one of these where the text or
/// model concerned is known.
public enum EvaluationError: Error, Sendable, Equatable {
    /// Fewer tokens in a context than it takes to score one.
    case contextTooSmall(context: Int, minimum: Int)
    /// A text of fewer than two contexts.
    case textTooShort(tokens: Int, needed: Int, context: Int)
    /// A stride that is not positive, or that scores tokens before the first of a window.
    case invalidStride(stride: Int, largest: Int)
    /// A limit of the number of chunks that is not positive.
    case invalidChunkLimit(Int)
    /// NaN or infinity where a model's output was to be added to a statistic.
    case notFinite(quantity: String, value: Double, token: Int)
}

extension EvaluationError: CustomStringConvertible {
    /// What is wrong, and what to do about it.
    public var description: String { advice.isEmpty ? problem : problem + "; " + advice }

    private var problem: String {
        switch self {
        case .contextTooSmall(let context, let minimum):
            "a context of \(context) tokens scores none: at least \(minimum) are needed"
        case .textTooShort(let tokens, let needed, let context):
            "has \(tokens) tokens, \(needed) are needed: two contexts of \(context)"
        case .invalidStride(let stride, let largest):
            "a stride of \(stride) tokens is not in 1 to \(largest)"
        case .invalidChunkLimit(let limit):
            "a limit of \(limit) chunks leaves nothing to measure"
        case .notFinite(let quantity, let value, let token):
            "scored token \(token): the \(quantity) is \(value)"
        }
    }

    private var advice: String {
        switch self {
        case .contextTooSmall: "choose a larger context"
        case .textTooShort: "choose a longer text or a smaller context"
        case .invalidStride: "choose a smaller stride or a larger context"
        case .invalidChunkLimit: "choose 1 or more"
        case .notFinite: "the weights may be damaged, or their precision too low for this model"
        }
    }

    /// The same with the name of the text or model concerned.
    public func checkpointError(path: String) -> CheckpointError {
        let code: CheckpointError.Code =
            if case .notFinite = self { .invalidValue } else { .invalidRequest }
        return CheckpointError(code, path: path, problem, advice: advice)
    }
}
