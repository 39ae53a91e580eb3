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

    /// Where a run of elements stands in ``file``; nil where it begins or ends within a block.
    package func byteRange(_ elements: Range<Int>) -> Range<Int>? {
        guard let start = type.byteCount(elements: elements.lowerBound),
            let end = type.byteCount(elements: elements.upperBound)
        else { return nil }
        return range.lowerBound + start..<range.lowerBound + end
    }

    /// The stored bytes of such a run; valid while ``file`` lives.
    package func bytes(of elements: Range<Int>) -> UnsafeRawBufferPointer? {
        byteRange(elements).map { UnsafeRawBufferPointer(rebasing: file.bytes[$0]) }
    }
}
