public import NibbleNumerics

/// A tensor as a checkpoint stores it.
public struct TensorEntry: Sendable {
    /// The name in the checkpoint's own scheme.
    public var name: String
    /// Extents, slowest first, as in safetensors and PyTorch: `[out, in]`. GGUF lists them the other way.
    public var shape: [Int]
    /// How elements are stored; of a packed matrix, the blocks that it is read as.
    public var type: GGMLType
    /// The file that holds the tensor; of a packed matrix, its codes.
    public var file: MappedFile
    /// Where in ``file``.
    public var range: Range<Int>
    /// Of a matrix that is stored as codes and scales in tensors of their own, these; nil where ``range`` holds elements as
    /// ``type``.
    package var packing: (any TensorPacking)?

    /// Elements of a row, the fastest extent; 1 for a scalar.
    public var columns: Int { shape.last ?? 1 }
    /// Rows over all slower extents.
    public var rows: Int { shape.dropLast().reduce(1, *) }
    /// Number of elements.
    public var elementCount: Int { shape.reduce(1, *) }
    /// Bytes that it takes, of a packed matrix with those of its scales.
    public var byteCount: Int { packing?.byteCount ?? range.count }
    /// The bytes in ``range``; valid while ``file`` lives.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

    /// Where a run of elements stands in ``file``; nil where it begins or ends within a block, or the matrix is packed.
    package func byteRange(_ elements: Range<Int>) -> Range<Int>? {
        guard packing == nil, let start = type.byteCount(elements: elements.lowerBound),
            let end = type.byteCount(elements: elements.upperBound)
        else { return nil }
        return range.lowerBound + start..<range.lowerBound + end
    }

    /// A run of elements as ``type``, of a packed matrix unpacked to memory of their own; nil where it begins or ends within
    /// a block.
    package func elements(_ run: Range<Int>) -> StoredElements? {
        if let packing {
            return packing.unpacked(run).map {
                StoredElements(bytes: UnsafeRawBufferPointer($0.buffer), owner: $0)
            }
        }
        return byteRange(run).map {
            StoredElements(bytes: UnsafeRawBufferPointer(rebasing: file.bytes[$0]), owner: file)
        }
    }
}

/// Elements of a tensor as its type has them.
package struct StoredElements {
    /// The bytes; valid while ``owner`` lives.
    package let bytes: UnsafeRawBufferPointer
    /// What keeps them valid.
    package let owner: any AnyObject & Sendable

    /// Decodes all of them.
    package func decode(
        _ codec: any Codec, columns: Int, into values: inout MutableSpan<Float>, level: KernelLevel = .best
    ) {
        withExtendedLifetime(owner) {
            codec.decode(RawSpan(_unsafeBytes: bytes), columns: columns, into: &values, level: level)
        }
    }
}
