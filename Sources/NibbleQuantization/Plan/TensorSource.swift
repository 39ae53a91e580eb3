public import NibbleCheckpoint
public import NibbleNumerics

/// Where the values of a tensor come from.
public enum TensorSource: Sendable {
    /// A stored tensor.
    case stored(TensorEntry)
    /// Values in memory: computed from the configuration, or a vector that replaces the source's.
    case computed([Float])
    /// A matrix that replaces the source's.
    case encoded(EncodedTensor)
    /// Nothing: the tensor of a model that there is no checkpoint of. It can be planned with, not written.
    case described(shape: [Int], format: WeightFormat)

    /// How values are stored.
    public var format: WeightFormat {
        switch self {
        case .stored(let entry): .ggml(entry.type)
        case .computed: .ggml(.f32)
        case .encoded(let tensor): tensor.format
        case .described(_, let format): format
        }
    }

    /// Extents, slowest first.
    public var shape: [Int] {
        switch self {
        case .stored(let entry): entry.shape
        case .computed(let values): [values.count]
        case .encoded(let tensor): [tensor.rows, tensor.columns]
        case .described(let shape, _): shape
        }
    }

    /// Bytes of the values.
    public var byteCount: Int {
        switch self {
        case .stored(let entry): entry.byteCount
        case .computed(let values): values.count * 4
        case .encoded(let tensor): tensor.bytes.count
        case .described(let shape, let format):
            (format.byteCount(columns: shape.last ?? 1) ?? 0) * shape.dropLast().reduce(1, *)
        }
    }
}
