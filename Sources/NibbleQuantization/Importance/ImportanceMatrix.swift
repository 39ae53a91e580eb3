public import NibbleCheckpoint

/// How much the error of each input column of each matrix matters: the mean square of its input, as `llama-imatrix`
/// measures it.
///
/// Both of its file forms are read and written, GGUF and the older `.dat`.
public struct ImportanceMatrix: Sendable {
    /// The file.
    public var path: String
    /// Weights by GGUF tensor name, one a column, finite and not negative.
    public var weights: [String: [Float]]
    /// How many tokens they are means of, by GGUF tensor name: one number, or one for each expert; of tensors that are not
    /// here, all tokens of all chunks.
    public var counts: [String: [Float]] = [:]
    /// How many chunks they are means of, by GGUF tensor name: what the older form says instead.
    var chunks: [String: Int] = [:]
    /// The texts it was measured on.
    public var datasets: [String]
    /// How many chunks of text; nil where the file does not say.
    public var chunkCount: Int?
    /// Tokens of a chunk; nil where the file does not say.
    public var chunkSize: Int?

    /// Creates a matrix from weights in memory; `path` is the name that files made with it will mention.
    public init(
        path: String, weights: [String: [Float]], datasets: [String] = [], chunkCount: Int? = nil,
        chunkSize: Int? = nil
    ) {
        self.path = path
        self.weights = weights
        self.datasets = datasets
        self.chunkCount = chunkCount
        self.chunkSize = chunkSize
    }

    /// Reads the file at `path`.
    ///
    /// - Throws: ``CheckpointError`` where the file is neither form, is damaged, or holds a weight that is
    ///   negative, NaN or infinite.
    public init(path: String) throws(CheckpointError) {
        let file = try MappedFile(path: path)
        if file.bytes.starts(with: Array("GGUF".utf8)) {
            try self.init(gguf: try GGUFFile(file))
        } else {
            try self.init(legacy: file)
        }
        guard !weights.isEmpty else {
            throw CheckpointError(.malformed, path: path, "holds no importance weights")
        }
        for (name, values) in weights {
            if let index = values.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
                throw CheckpointError(
                    .invalidValue, path: path, subject: "tensor '\(name)'",
                    "weight \(index) is \(values[index]), expected a finite number >= 0")
            }
        }
    }

    /// The weights for a tensor; nil where the file has none for it.
    ///
    /// - Throws: ``CheckpointError`` where there are weights of another length. The token embedding is exempt,
    ///   as in llama-quantize: its entry counts tokens, not columns.
    public func weights(
        for name: String, columns: Int, isEmbedding: Bool
    ) throws(CheckpointError) -> [Float]? {
        guard let values = weights[name] else { return nil }
        if values.count == columns { return values }
        if isEmbedding { return nil }
        throw CheckpointError(
            .inconsistent, path: path, subject: "tensor '\(name)'",
            "has \(values.count) weights, the model's tensor has \(columns) columns",
            advice: "the importance matrix was made for another model")
    }

    /// The keys that llama-quantize adds to a file made with an importance matrix, in its order.
    public var metadata: [(key: String, value: GGUFValue)] {
        var entries: [(key: String, value: GGUFValue)] = [
            ("quantize.imatrix.file", .string(Self.clipped(path)))
        ]
        if let dataset = datasets.first {
            entries.append(("quantize.imatrix.dataset", .string(Self.clipped(dataset))))
        }
        entries.append(("quantize.imatrix.entries_count", .uint32(UInt32(clamping: weights.count))))
        if let chunkCount, chunkCount > 0 {
            entries.append(("quantize.imatrix.chunks_count", .uint32(UInt32(clamping: chunkCount))))
        }
        return entries
    }

    /// At most 127 bytes, as llama-quantize keeps them, cut between characters.
    private static func clipped(_ text: String) -> String {
        var text = text
        while text.utf8.count > 127 { text.removeLast() }
        return text
    }
}
