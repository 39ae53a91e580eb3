public import NibbleCheckpoint
internal import NibbleNumerics
public import NibbleQuantization

/// What the weights of a model take, part by part, in bytes.
public struct WeightBytes: Sendable, Equatable {
    /// Matrices and norms of each block.
    public private(set) var blocks: [Int]
    /// The norm behind the blocks, and frequencies of rotary positions.
    public private(set) var outside = 0
    /// The token embedding, which is the vocabulary head as well where that is tied.
    public private(set) var embedding = 0
    /// A vocabulary head of its own.
    public private(set) var head = 0
    /// Parameters of the text model.
    public private(set) var parameterCount = 0

    /// All but the vocabulary's matrices.
    public var body: Int { blocks.reduce(outside, +) }
    /// All of them.
    public var total: Int { body + embedding + head }
    /// What the vocabulary head is computed with: its own matrix, or the embedding.
    public var output: Int { head > 0 ? head : embedding }

    /// Of the tensors of a plan, each as the plan has it.
    ///
    /// - Throws: ``CheckpointError`` where the rows of one are no whole number of blocks.
    public init(_ plan: ResolvedPlan) throws(CheckpointError) {
        blocks = []
        for tensor in plan.tensors {
            let rows = tensor.shape.dropLast().reduce(1, *)
            guard let row = tensor.format.byteCount(columns: tensor.shape.last ?? 1) else {
                throw CheckpointError(
                    .invalidRequest, path: tensor.name,
                    "has rows of \(tensor.shape.last ?? 1) elements, which \(tensor.format) does not store",
                    advice: "choose another type for it")
            }
            add(tensor.role, bytes: rows * row, elements: tensor.shape.reduce(1, *))
        }
    }

    /// Of a checkpoint, as it is stored.
    public init(stored model: ModelCheckpoint) {
        blocks = []
        for tensor in model.tensors {
            add(tensor.role, bytes: tensor.entry.byteCount, elements: tensor.entry.elementCount)
        }
    }

    private mutating func add(_ role: TensorRole, bytes: Int, elements: Int) {
        parameterCount += elements
        if let layer = role.layer {
            if layer >= blocks.count { blocks += Array(repeating: 0, count: layer + 1 - blocks.count) }
            blocks[layer] += bytes
        } else if role.kind == .tokenEmbedding {
            embedding += bytes
        } else if role.kind == .output {
            head += bytes
        } else {
            outside += bytes
        }
    }
}
