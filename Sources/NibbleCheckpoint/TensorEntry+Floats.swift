internal import NibbleNumerics

extension TensorEntry {
    /// All elements as `Float`. For small tensors: the whole tensor is held.
    ///
    /// - Throws: ``CheckpointError`` where the type cannot be decoded.
    public func floats() throws(CheckpointError) -> [Float] {
        guard let codec = type.codec else { throw undecodable }
        return [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
            buffer.initialize(repeating: 0)
            var span = buffer.mutableSpan
            codec.decode(RawSpan(_unsafeBytes: bytes), columns: elementCount, into: &span, level: .best)
            count = elementCount
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
