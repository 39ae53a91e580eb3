internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization

/// The bytes that matrices whose types are chosen may take in a file of some size.
struct SizeBudget {
    private let target: SizeTarget
    /// Elements of all tensors.
    private let weights: Int
    /// Bytes of the file that are not of tensors, with what will be said in it of each matrix.
    private let header: Int
    /// Bytes of all tensors.
    private let tensors: Int

    /// Most bytes that a file says of how it was made, without what it says of each matrix: digests, perplexities.
    private static let provenance = 2048
    /// Most bytes that it says of the methods of a matrix, what was left out of them included.
    private static let methods = 256

    /// The types to choose among: those with a grid, but for Q2_0, which few runtimes know yet.
    static let candidates = GGMLType.allCases.filter {
        $0 != .q2_0 && WeightGrid(.ggml($0), columns: 256) != nil
    }

    /// - Parameter converter: of the same model to any types.
    init(_ target: SizeTarget, _ converter: Converter) {
        self.target = target
        weights = converter.jobs.reduce(0) { $0 + $1.elementCount }
        tensors = converter.jobs.reduce(0) { $0 + $1.byteCount }
        header =
            converter.layout.files.reduce(0) { $0 + $1.size } - tensors
            + converter.jobs.reduce(Self.provenance) { $0 + $1.name.utf8.count + Self.methods }
    }

    /// Bytes by which its tensors are too many.
    var excess: Int {
        switch target {
        case .bytes(let count): header + tensors - count
        case .bitsPerWeight(let bits): tensors - Int(bits * Double(weights) / 8)
        }
    }

    /// Bytes of a matrix of a type; nil where rows do not fit.
    static func bytes(_ tensor: PlannedTensor, _ type: GGMLType) -> Int? {
        WeightFormat.ggml(type).byteCount(columns: tensor.columns).map { $0 * tensor.rows }
    }

    /// Bytes for matrices that take `own` in the converter's output.
    func bytes(insteadOf own: Int) -> Int { own - excess }

    /// Bytes of all tensors where the types of some matrices are the smallest or the largest.
    private func reach(_ matrices: QuantizedMatrices) -> ClosedRange<Int> {
        var (smallest, largest) = (tensors, tensors)
        for tensor in matrices.calibrated + matrices.vocabulary {
            let sizes = Self.candidates.compactMap { Self.bytes(tensor, $0) }
            let own = EncodedRowsFile.byteCount(tensor)
            smallest += (sizes.min() ?? own) - own
            largest += (sizes.max() ?? own) - own
        }
        return smallest...largest
    }

    /// The sizes that a choice of types can have.
    func range(_ matrices: QuantizedMatrices) -> SizeRange {
        let reach = reach(matrices)
        return SizeRange(
            matrices: matrices.calibrated.count + matrices.vocabulary.count,
            bytes: header + reach.lowerBound...header + reach.upperBound,
            bitsPerWeight: bits(reach.lowerBound)...bits(reach.upperBound))
    }

    /// Throws where no choice of types has the size.
    func check(_ matrices: QuantizedMatrices, output: String) throws(CheckpointError) {
        let (reach, wanted) = (reach(matrices), tensors - excess)
        guard !reach.contains(wanted) else { return }
        let isSmall = wanted < reach.lowerBound
        throw CheckpointError(
            .invalidRequest, path: output,
            "no types make it \(target): the \(isSmall ? "smallest" : "largest") file has "
                + text(isSmall ? reach.lowerBound : reach.upperBound),
            advice: "ask for that")
    }

    private func bits(_ tensors: Int) -> Double { Double(tensors) * 8 / Double(weights) }

    /// The size of a file whose tensors take some bytes.
    private func text(_ tensors: Int) -> String {
        switch target {
        case .bytes: ByteText.text(header + tensors)
        case .bitsPerWeight: "\((bits(tensors) * 100).rounded(.up) / 100) bits a weight"
        }
    }
}
