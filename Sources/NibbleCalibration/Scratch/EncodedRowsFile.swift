package import NibbleCheckpoint
internal import NibbleNumerics
package import NibbleQuantization
package import NibbleTensor

/// The encoded matrices in a scratch file.
package struct EncodedRowsFile {
    private let file: ScratchFile
    private let places: [TensorRole: (offset: Int, tensor: PlannedTensor)]
    private let compute: Compute

    init(path: String, _ matrices: [PlannedTensor], compute: Compute) throws(CheckpointError) {
        file = try ScratchFile(path: path)
        self.compute = compute
        var places: [TensorRole: (offset: Int, tensor: PlannedTensor)] = [:]
        var offset = 0
        for matrix in matrices {
            places[matrix.role] = (offset, matrix)
            offset += Self.byteCount(matrix)
        }
        self.places = places
    }

    /// Bytes of a matrix.
    static func byteCount(_ matrix: PlannedTensor) -> Int {
        guard let width = matrix.format.byteCount(columns: matrix.columns) else {
            preconditionFailure("\(matrix.format) does not encode rows of \(matrix.columns)")
        }
        return matrix.rows * width
    }

    /// Keeps the rows of a matrix; returns their digest.
    func write(_ matrix: CalibratedMatrix) throws(CheckpointError) -> String {
        guard let place = places[matrix.role] else { preconditionFailure("no place for '\(matrix.name)'") }
        let bytes = UnsafeRawBufferPointer(matrix.blocks.bytes)
        try file.write(bytes, at: place.offset, compute)
        return Self.digest(bytes)
    }

    /// The rows of a matrix that were kept; nil where it is none of those.
    ///
    /// - Parameter digest: theirs.
    /// - Throws: `CheckpointError` (`malformed`) where they were changed since.
    package func read(_ tensor: PlannedTensor, digest: String) throws(CheckpointError) -> Memory? {
        guard let place = places[tensor.role] else { return nil }
        let memory = Memory(byteCount: Self.byteCount(tensor))
        try file.read(into: memory.bytes, at: place.offset, compute)
        try check(UnsafeRawBufferPointer(memory.bytes), of: tensor, at: place.offset, digest)
        return memory
    }

    /// The same where they lie in the file, which is mapped.
    func map(
        _ tensor: PlannedTensor, digest: String
    ) throws(CheckpointError) -> (bytes: UnsafeRawBufferPointer, file: MappedFile)? {
        guard let place = places[tensor.role] else { return nil }
        let mapped = try MappedFile(path: file.path)
        let range = place.offset..<place.offset + Self.byteCount(tensor)
        guard range.upperBound <= mapped.count else {
            throw CheckpointError(
                .truncated, path: file.path, offset: mapped.count, "ends before '\(tensor.name)' does",
                advice: "remove its folder and begin again")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: mapped.bytes[range])
        try check(bytes, of: tensor, at: place.offset, digest)
        return (bytes, mapped)
    }

    private func check(
        _ bytes: UnsafeRawBufferPointer, of tensor: PlannedTensor, at offset: Int, _ digest: String
    ) throws(CheckpointError) {
        guard Self.digest(bytes) == digest else {
            throw CheckpointError(
                .malformed, path: file.path, offset: offset, subject: "tensor '\(tensor.name)'",
                "is not as it was written", advice: "remove its folder and begin again")
        }
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer) -> String {
        var hash = XXHash64()
        hash.update(bytes)
        return String(hash.value, radix: 16)
    }
}
