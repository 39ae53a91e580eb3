internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// The encoded matrices in a scratch file.
struct EncodedRowsFile {
    private let file: ScratchFile
    private let offsets: [TensorRole: Int]
    private let compute: Compute

    init(path: String, _ matrices: [PlannedTensor], compute: Compute) throws(CheckpointError) {
        file = try ScratchFile(path: path)
        self.compute = compute
        var offsets: [TensorRole: Int] = [:]
        var end = 0
        for matrix in matrices {
            offsets[matrix.role] = end
            end += Self.byteCount(matrix)
        }
        self.offsets = offsets
    }

    /// Bytes of a matrix.
    static func byteCount(_ matrix: PlannedTensor) -> Int {
        guard let width = matrix.format.byteCount(columns: matrix.columns) else {
            preconditionFailure("\(matrix.format) does not encode rows of \(matrix.columns)")
        }
        return matrix.rows * width
    }

    /// Keeps the rows of a matrix, or of a band of one.
    func write(_ matrix: CalibratedMatrix) throws(CheckpointError) {
        guard let offset = offsets[matrix.role] else { preconditionFailure("no place for '\(matrix.name)'") }
        let bytes = UnsafeRawBufferPointer(matrix.blocks.bytes)
        try file.write(bytes, at: offset + matrix.firstRow * (bytes.count / matrix.rows), compute)
    }

    /// The digest of the rows of a matrix, which are all there.
    func digest(of tensor: PlannedTensor) throws(CheckpointError) -> String {
        guard let offset = offsets[tensor.role] else { preconditionFailure("no place for '\(tensor.name)'") }
        let (bytes, mapped) = try bytes(of: tensor, at: offset)
        return withExtendedLifetime(mapped) { Self.digest(bytes) }
    }

    /// The rows of a matrix that were kept, as they lie in the file, which is mapped; nil where it is none of those.
    ///
    /// - Parameter digest: theirs.
    /// - Throws: `CheckpointError` where the file cannot be read, or they were changed since.
    func read(
        _ tensor: PlannedTensor, digest: String
    ) throws(CheckpointError) -> (bytes: UnsafeRawBufferPointer, file: MappedFile)? {
        guard let offset = offsets[tensor.role] else { return nil }
        let (bytes, mapped) = try bytes(of: tensor, at: offset)
        guard Self.digest(bytes) == digest else {
            throw CheckpointError(
                .malformed, path: file.path, offset: offset, subject: "tensor '\(tensor.name)'",
                "is not as it was written", advice: "remove its folder and begin again")
        }
        return (bytes, mapped)
    }

    private func bytes(
        of tensor: PlannedTensor, at offset: Int
    ) throws(CheckpointError) -> (bytes: UnsafeRawBufferPointer, file: MappedFile) {
        let mapped = try MappedFile(path: file.path)
        let range = offset..<offset + Self.byteCount(tensor)
        guard range.upperBound <= mapped.count else {
            throw CheckpointError(
                .truncated, path: file.path, offset: mapped.count, "ends before '\(tensor.name)' does",
                advice: "remove its folder and begin again")
        }
        return (UnsafeRawBufferPointer(rebasing: mapped.bytes[range]), mapped)
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer) -> String {
        var hash = XXHash64()
        hash.update(bytes)
        return String(hash.value, radix: 16)
    }
}
