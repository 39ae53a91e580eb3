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
    /// Blocks that are looked at first, at each of two places; so many off the lattice, and none on it, say that it is none.
    private static let fewBlocks = 4

    /// Looks at a sample.
    ///
    /// Nil where the tensor is no matrix of F32, F16 or BF16 numbers, or lies on no lattice.
    public init?(of tensor: TensorEntry) {
        let row = WeightFormat.int4(group: nil)
        let fine: [WeightFormat] =
            tensor.columns.isMultiple(of: 32)
            ? [.ggml(.q4_0), .ggml(.q5_0), .ggml(.q4_1), .ggml(.q5_1)] : [row]
        guard Self.mayLie(tensor, on: fine), let own = Self.first(of: fine, in: tensor) else { return nil }
        // Rows of 32 are blocks of 32.
        let isCoarse = own.format == .ggml(.q4_0) && tensor.columns > 32
        let coarse = isCoarse ? Self.first(of: [row, .int4(group: 128), .int4(group: 64)], in: tensor) : nil
        (format, sample) = coarse ?? own
    }

    /// Whether a few blocks of the begin and the middle leave it open that a matrix lies on one of the lattices. Of ordinary
    /// weights no block does: all formats are tested on values that are read once.
    private static func mayLie(_ tensor: TensorEntry, on formats: [WeightFormat]) -> Bool {
        guard tensor.shape.count == 2, tensor.elementCount > 0 else { return false }
        let size = formats[0].blockSize(columns: tensor.columns)
        var values: [Float] = []
        for start in [0, tensor.elementCount / size / 2 * size] {
            let run = start..<min(start + fewBlocks * size, tensor.elementCount)
            guard let own = tensor.values(of: run) else { return false }
            values += own
            tensor.release(around: run)
        }
        return formats.contains { format in
            LatticeEncoding(format, storedAs: tensor.latticeType).map {
                !isOff($0.counts(values.span, columns: tensor.columns))
            } ?? false
        }
    }

    /// Whether blocks say that it is no lattice.
    private static func isOff(_ counts: LatticeCounts) -> Bool {
        counts.exact + counts.rounded == 0 && counts.tested >= fewBlocks
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
            tensor.release(around: run)
            counts += encoding.counts(values.span, columns: columns)
            // Blocks are tested where they are, whatever rows they belong to.
            if isOff(counts) { break }
        }
        return counts
    }
}

extension TensorEntry {
    /// Gives back the pages of some elements, and those around them that the system maps as well: all samples of a large model
    /// are many.
    fileprivate func release(around elements: Range<Int>) {
        guard let bytes = byteRange(elements) else { return }
        let around = 1 << 16
        file.release(max(bytes.lowerBound - around, 0)..<min(bytes.upperBound + around, file.count))
    }

    /// How precise its values are: packed matrices have products and sums in F32.
    fileprivate var latticeType: GGMLType { packing == nil ? type : .f32 }
}
