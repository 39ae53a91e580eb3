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
        guard Self.digest(UnsafeRawBufferPointer(memory.bytes)) == digest else {
            throw CheckpointError(
                .malformed, path: file.path, offset: place.offset, subject: "tensor '\(tensor.name)'",
                "is not as it was written", advice: "remove its folder and begin again")
        }
        return memory
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer) -> String {
        var hash = XXHash64()
        hash.update(bytes)
        return String(hash.value, radix: 16)
    }
}
