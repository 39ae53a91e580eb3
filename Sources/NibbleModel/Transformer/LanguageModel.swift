public import NibbleCheckpoint
internal import NibbleNumerics
public import NibbleTensor

/// A language model that runs: the weights of a checkpoint and the forward pass of its architecture.
///
/// Weights stay as they are in the mapped file; a product decodes a few rows at a time.
///
/// ```swift
/// let model = try LanguageModel(
///     ModelCheckpoint(path: "gemma.q4_0.gguf"), compute: Compute(threads: 2, precision: .automatic))
/// let logits = try model.logits(of: [2, 818, 5279], position: 2)
/// ```
public final class LanguageModel: Sendable {
    /// The path of the checkpoint.
    public let path: String
    /// The shape of the model.
    public let configuration: ModelConfiguration
    /// Where and how it is computed.
    public let compute: Compute
    /// Bytes of the stored weights.
    public let weightBytes: Int
    /// Weights.
    public let parameterCount: Int
    let embedding: Matrix
    let blocks: [TransformerBlock]
    let outputNorm: Vector
    /// The vocabulary head: the embedding itself where the two are tied.
    let head: Matrix
    /// Whether rotary pairs are neighbours: so in GGUF files of Llama, whose rows were permuted for it.
    let isInterleaved: Bool
    let angleCache: AngleCache

    /// Takes the weights of `checkpoint`, which must be of a type that can be decoded.
    ///
    /// - Parameter replacements: weights that are taken from elsewhere.
    /// - Throws: ``CheckpointError`` where a weight cannot be decoded, or the model asks for what is not computed here
    ///   (``ModelCheckpoint/obstacles``).
    public init(
        _ checkpoint: ModelCheckpoint, compute: Compute, replacements: WeightReplacements = .init()
    ) throws(CheckpointError) {
        if let obstacle = checkpoint.obstacles.first { throw obstacle }
        path = checkpoint.path
        configuration = checkpoint.configuration
        self.compute = compute
        weightBytes = checkpoint.tensors.reduce(0) { $0 + $1.entry.byteCount }
        parameterCount = checkpoint.tensors.reduce(0) { $0 + $1.entry.elementCount }
        let weights = WeightTable(checkpoint, replacements: replacements)
        embedding = try weights.matrix(TensorRole(.tokenEmbedding))
        head = configuration.tiesEmbeddings ? embedding : try weights.matrix(TensorRole(.output))
        outputNorm = try weights.requiredVector(TensorRole(.outputNorm))
        var blocks: [TransformerBlock] = []
        for layer in 0..<configuration.layerCount {
            blocks.append(try TransformerBlock(weights, layer: layer, configuration))
        }
        self.blocks = blocks
        angleCache = AngleCache()
        let query = TensorRole(.attentionQuery, layer: 0)
        isInterleaved =
            checkpoint.source.scheme.convention(of: query, in: configuration).interleavedHeads != nil
    }

    /// The same model with other matrices.
    init(_ model: LanguageModel, matrices: [TensorRole: Matrix]) {
        path = model.path
        configuration = model.configuration
        compute = model.compute
        weightBytes = model.weightBytes
        parameterCount = model.parameterCount
        outputNorm = model.outputNorm
        isInterleaved = model.isInterleaved
        angleCache = model.angleCache
        var (embedding, head, blocks) = (model.embedding, model.head, model.blocks)
        func replace(_ matrix: inout Matrix, by other: Matrix) {
            precondition(
                matrix.rows == other.rows && matrix.columns == other.columns,
                "\(other.rows) x \(other.columns) replaces \(matrix.rows) x \(matrix.columns)")
            matrix = other
        }
        for (role, matrix) in matrices {
            if let layer = role.layer {
                replace(&blocks[layer][matrix: role.kind], by: matrix)
            } else if role.kind == .output {
                replace(&head, by: matrix)
            } else {
                precondition(role.kind == .tokenEmbedding, "\(role) is no matrix")
                replace(&embedding, by: matrix)
                if configuration.tiesEmbeddings { head = matrix }
            }
        }
        (self.embedding, self.head, self.blocks) = (embedding, head, blocks)
    }

    /// Rows of the vocabulary head.
    public var vocabularySize: Int { configuration.vocabularySize }
}

extension LanguageModel {
    /// The vocabulary head, `[vocabulary, embedding]`.
    public var vocabularyMatrix: Matrix { head }

    /// c of c · tanh(logit / c); nil for none.
    public var finalLogitSoftcap: Float? { configuration.finalLogitSoftcap.map(Float.init) }
}
