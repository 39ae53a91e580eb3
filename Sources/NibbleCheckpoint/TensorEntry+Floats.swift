internal import NibbleNumerics

extension TensorEntry {
    /// All elements as `Float`. For small tensors: the whole tensor is held.
    ///
    /// - Throws: ``CheckpointError`` where the type cannot be decoded.
    public func floats() throws(CheckpointError) -> [Float] {
        guard let values = values(of: 0..<elementCount) else { throw undecodable }
        return values
    }

    /// A run of elements as `Float`; nil where the type cannot be decoded, or the run begins or ends within a block.
    package func values(of elements: Range<Int>) -> [Float]? {
        guard let codec = type.codec, let stored = self.elements(elements) else { return nil }
        return [Float](unsafeUninitializedCapacity: elements.count) { buffer, count in
            buffer.initialize(repeating: 0)
            var span = buffer.mutableSpan
            stored.decode(codec, columns: elements.count, into: &span)
            count = elements.count
        }
    }

    /// The error for a type that Nibble can lay out but not decode.
    public var undecodable: CheckpointError {
        let readable = GGMLType.allCases.filter { $0.codec != nil }.map(\.description).joined(separator: ", ")
        return CheckpointError(
            .unsupported, path: file.path, subject: "tensor '\(name)'",
            "is stored as \(type), which cannot be decoded; readable: \(readable)")
    }
}
