public import NibbleCheckpoint
internal import NibbleNumerics

extension ImportanceMatrix {
    /// Writes the matrix, in the older form where the name ends in `.dat`, else in GGUF: what llama-quantize and Nibble read.
    ///
    /// - Parameter replacing: whether what is at `path` may be replaced.
    /// - Throws: `CheckpointError` where the file cannot be written.
    public func write(to path: String, replacing: Bool = false) throws(CheckpointError) {
        if path.hasSuffix(".dat") {
            try CheckpointWriter.write(legacy, to: path, replacing: replacing)
        } else {
            try writeGGUF(to: path, replacing: replacing)
        }
    }

    /// Sums of squares, and how many tokens they cover. Of a matrix that does not say how many, means are written as sums
    /// of one.
    private func writeGGUF(to path: String, replacing: Bool) throws(CheckpointError) {
        var metadata = GGUFMetadata()
        metadata.set("general.type", .string("imatrix"))
        metadata.set("imatrix.datasets", .array(.string, datasets.map { .string($0) }))
        metadata.set("imatrix.chunk_count", .uint32(UInt32(clamping: chunkCount ?? 1)))
        metadata.set("imatrix.chunk_size", .uint32(UInt32(clamping: chunkSize ?? 1)))
        var tensors: [(CheckpointLayout.Tensor, [UInt8])] = []
        for (name, means) in weights.sorted(by: { $0.key < $1.key }) {
            // A row for each expert, as llama-imatrix has it.
            let (sums, counts) = sums(of: name, means)
            tensors.append(
                (
                    .init(name: name + ".counts", shape: [counts.count, 1], type: .f32),
                    Self.bytes(counts.map { Float($0) })
                ))
            tensors.append(
                (
                    .init(
                        name: name + ".in_sum2", shape: [counts.count, sums.count / counts.count], type: .f32),
                    Self.bytes(sums.map { Float($0) })
                ))
        }
        try CheckpointWriter.write(metadata, tensors, to: path, replacing: replacing)
    }

    /// The older form: of each tensor name, chunks, and means times chunks; then all chunks and the last text.
    private var legacy: [UInt8] {
        let chunk = Double(max(chunkSize ?? 1, 1))
        var bytes = Self.bytes(Int32(clamping: weights.count))
        for (name, means) in weights.sorted(by: { $0.key < $1.key }) {
            // Rounded up, as llama-imatrix does: 0 would say that there is nothing.
            let chunks = ((sums(of: name, means).counts.max() ?? 0) / chunk).rounded(.up)
            bytes += Self.bytes(name) + Self.bytes(Int32(clamping: Int(chunks)))
            bytes += Self.bytes(Int32(clamping: means.count))
            bytes += Self.bytes(means.map { $0 * Float(chunks) })
        }
        bytes += Self.bytes(Int32(clamping: chunkCount ?? 1))
        return bytes + Self.bytes(datasets.last ?? "")
    }

    private static func bytes(_ values: [Float]) -> [UInt8] {
        values.map(\.bitPattern.littleEndian).withUnsafeBytes { Array($0) }
    }

    private static func bytes(_ value: Int32) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    private static func bytes(_ text: String) -> [UInt8] {
        bytes(Int32(clamping: text.utf8.count)) + Array(text.utf8)
    }
}
