public import NibbleCheckpoint
internal import NibbleNumerics

extension ImportanceMatrix {
    /// Writes the GGUF form, which llama-quantize and Nibble read: sums of squares, and how many tokens they cover.
    ///
    /// - Parameter replacing: whether what is at `path` may be replaced.
    /// - Throws: `CheckpointError` where the file cannot be written.
    public func write(to path: String, replacing: Bool = false) throws(CheckpointError) {
        // Of a matrix that does not say how many tokens it covers, means are written as sums of one.
        let (chunks, size) = (chunkCount ?? 1, chunkSize ?? 1)
        let count = Float(max(chunks, 1)) * Float(max(size, 1))
        var metadata = GGUFMetadata()
        metadata.set("general.type", .string("imatrix"))
        metadata.set("imatrix.datasets", .array(.string, datasets.map { .string($0) }))
        metadata.set("imatrix.chunk_count", .uint32(UInt32(clamping: chunks)))
        metadata.set("imatrix.chunk_size", .uint32(UInt32(clamping: size)))
        var tensors: [(name: String, values: [Float])] = []
        for (name, means) in weights.sorted(by: { $0.key < $1.key }) {
            tensors.append((name + ".counts", [count]))
            tensors.append((name + ".in_sum2", means.map { $0 * count }))
        }
        let layout = try CheckpointLayout.gguf(
            path: path, metadata: metadata,
            tensors: tensors.map { tensor in
                // One row, as llama-imatrix has it: a row for each expert.
                .init(
                    name: tensor.name, shape: [1, tensor.values.count], type: .f32)
            }, splitSize: nil)
        let writer = try CheckpointWriter(layout, replacing: replacing)
        for (tensor, place) in zip(tensors, layout.placements) {
            let words = tensor.values.map(\.bitPattern.littleEndian)
            try words.span.withUnsafeBytes { bytes throws(CheckpointError) in
                try writer.write(bytes, file: place.file, offset: place.offset)
            }
        }
        try writer.commit(flush: false)
    }
}
