public import NibbleCheckpoint
internal import NibbleNumerics
public import NibbleQuantization

/// What the weights of a model take, part by part, in bytes.
public struct WeightBytes: Sendable, Equatable {
    /// Matrices and norms of the blocks, and the norm behind them.
    public private(set) var body = 0
    /// The token embedding, which is the vocabulary head as well where that is tied.
    public private(set) var embedding = 0
    /// A vocabulary head of its own.
    public private(set) var head = 0
    /// Parameters of the text model.
    public private(set) var parameterCount = 0

    /// All of them.
    public var total: Int { body + embedding + head }

    /// Of the tensors of a plan, each as the plan has it.
    ///
    /// - Throws: ``CheckpointError`` where the rows of one are no whole number of blocks.
    public init(_ plan: ResolvedPlan) throws(CheckpointError) {
        for tensor in plan.tensors {
            let rows = tensor.shape.dropLast().reduce(1, *)
            guard let row = tensor.format.byteCount(columns: tensor.shape.last ?? 1) else {
                throw CheckpointError(
                    .invalidRequest, path: tensor.name,
                    "has rows of \(tensor.shape.last ?? 1) elements, which \(tensor.format) does not store",
                    advice: "choose another type for it")
            }
            switch tensor.role.kind {
            case .tokenEmbedding: embedding += rows * row
            case .output: head += rows * row
            default: body += rows * row
            }
            parameterCount += tensor.shape.reduce(1, *)
        }
    }
}
