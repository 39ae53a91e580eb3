public import NibbleCheckpoint

/// A forward pass that cannot be computed.
public enum ModelError: Error, Equatable, Sendable {
    /// A token number beyond the embedding.
    case tokenOutOfRange(token: Int, vocabularySize: Int, path: String)
    /// NaN or infinity among the activations, first seen after block `layer` (-1: in the embedding; the number of
    /// blocks: in the vocabulary head).
    case nonFinite(layer: Int, layerCount: Int, path: String)
    /// The same in the model that another one learns from, whose weights training does not touch.
    case teacherNonFinite(layer: Int, layerCount: Int, path: String)
}

extension ModelError: CustomStringConvertible {
    /// What happened and what to do.
    public var description: String { checkpointError.description }

    /// The same as an error of the checkpoint.
    public var checkpointError: CheckpointError {
        switch self {
        case .tokenOutOfRange(let token, let size, let path):
            return CheckpointError(
                .inconsistent, path: path, subject: "token \(token)",
                "is not among the \(size) of the vocabulary",
                advice: "the text was cut by the tokenizer of another model")
        case .nonFinite(let layer, let count, let path):
            return Self.error(path, Self.place(layer, of: count))
        case .teacherNonFinite(let layer, let count, let path):
            return Self.error(path, Self.place(layer, of: count) + " of the teacher")
        }
    }

    private static func place(_ layer: Int, of count: Int) -> String {
        layer < 0
            ? "the token embedding"
            : layer >= count ? "the vocabulary head" : "block \(layer) (of 0 to \(count - 1))"
    }

    private static func error(_ path: String, _ place: String) -> CheckpointError {
        CheckpointError(
            .invalidValue, path: path, subject: place, "is the first to give NaN or infinity",
            advice: "the checkpoint is damaged or was trained to divergence, or its weights are too large")
    }
}

extension CheckpointError {
    /// What a model throws, as an error of its checkpoint.
    package static func of<Result>(_ body: () throws(ModelError) -> Result) throws(CheckpointError) -> Result
    {
        do throws(ModelError) { return try body() } catch { throw error.checkpointError }
    }
}
