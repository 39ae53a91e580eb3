public import NibbleNumerics

/// A tensor as a checkpoint stores it.
public struct TensorEntry: Sendable {
    /// The name in the checkpoint's own scheme.
    public var name: String
    /// Extents, slowest first, as in safetensors and PyTorch: `[out, in]`. GGUF lists them the other way.
    public var shape: [Int]
    /// How elements are stored.
    public var type: GGMLType
    /// The file that holds the tensor.
    public var file: MappedFile
    /// Where in ``file``.
    public var range: Range<Int>

    /// Elements of a row, the fastest extent; 1 for a scalar.
    public var columns: Int { shape.last ?? 1 }
    /// Rows over all slower extents.
    public var rows: Int { shape.dropLast().reduce(1, *) }
    /// Number of elements.
    public var elementCount: Int { shape.reduce(1, *) }
    /// The stored bytes; valid while ``file`` lives.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }
}
