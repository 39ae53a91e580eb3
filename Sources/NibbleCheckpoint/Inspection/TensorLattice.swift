public import NibbleNumerics

/// The lattice that a matrix of plain numbers lies on: what a checkpoint shows that was trained with fake quantization, or
/// dequantized, and one as ordinary training leaves it does not.
public struct TensorLattice: Sendable {
    /// The format whose blocks hold the values: Q4_0, Q4_1, Q5_0, Q5_1 or int4, of the largest groups that do.
    public let format: WeightFormat
    /// What a sample of its blocks showed.
    public let sample: LatticeCounts

    /// Values that are tested where blocks are small, spread over the matrix in runs.
    private static let runs = 16
    private static let runLength = 4096
    /// Bytes that the system may map beside those that are asked for.
    private static let pagesAround = 1 << 16

    /// Looks at a sample.
    ///
    /// Nil where the tensor is no matrix of F32, F16 or BF16 numbers, or lies on no lattice.
    public init?(of tensor: TensorEntry) {
        let row = WeightFormat.int4(group: nil)
        let fine: [WeightFormat] =
            tensor.columns.isMultiple(of: 32)
            ? [.ggml(.q4_0), .ggml(.q5_0), .ggml(.q4_1), .ggml(.q5_1)] : [row]
        guard let own = Self.first(of: fine, in: tensor) else { return nil }
        // Rows of 32 are blocks of 32.
        let isCoarse = own.format == .ggml(.q4_0) && tensor.columns > 32
        let coarse = isCoarse ? Self.first(of: [row, .int4(group: 128), .int4(group: 64)], in: tensor) : nil
        (format, sample) = coarse ?? own
    }

    private static func first(
        of formats: [WeightFormat], in tensor: TensorEntry
    ) -> (format: WeightFormat, sample: LatticeCounts)? {
        for format in formats {
            if let counts = counts(of: tensor, as: format), isLattice(counts) { return (format, counts) }
        }
        return nil
    }

    /// How a matrix is encoded that lies on the lattice of a format, as far as a sample shows; nil where it does not.
    package static func encoding(of tensor: TensorEntry, as format: WeightFormat) -> LatticeEncoding? {
        guard let counts = counts(of: tensor, as: format), isLattice(counts) else { return nil }
        return LatticeEncoding(
            format, storedAs: tensor.latticeType, hasPortableScales: counts.hasPortableScales)
    }

    /// Ordinary weights have no block on a lattice. A trained matrix may have some off it.
    private static func isLattice(_ counts: LatticeCounts) -> Bool {
        100 * counts.off <= counts.tested && counts.tested > 0
    }

    /// What a sample shows; nil where the format does not fit. Ends early where nothing lies on the lattice.
    private static func counts(of tensor: TensorEntry, as format: WeightFormat) -> LatticeCounts? {
        let (columns, count) = (tensor.columns, tensor.elementCount)
        guard tensor.shape.count == 2, count > 0, format.byteCount(columns: columns) != nil,
            let encoding = LatticeEncoding(format, storedAs: tensor.latticeType)
        else { return nil }
        let size = format.blockSize(columns: columns)
        let length = max(runLength / size, 1) * size
        let step = max(count / runs / size * size, length)
        var counts = LatticeCounts()
        for start in stride(from: 0, to: count, by: step) {
            let run = start..<min(start + length, count)
            guard let values = tensor.values(of: run) else { return nil }
            // Pages of all samples of a large model are many, and the system maps those around them as well.
            if let bytes = tensor.byteRange(run) {
                tensor.file.release(
                    max(
                        bytes.lowerBound - pagesAround, 0)..<min(
                            bytes.upperBound + pagesAround, tensor.file.count))
            }
            counts += encoding.counts(values.span, columns: columns)
            // Blocks are tested where they are, whatever rows they belong to.
            if counts.exact + counts.rounded == 0, counts.tested >= 8 { break }
        }
        return counts
    }
}

extension TensorEntry {
    /// How precise its values are: packed matrices have products and sums in F32.
    fileprivate var latticeType: GGMLType { packing == nil ? type : .f32 }
}
