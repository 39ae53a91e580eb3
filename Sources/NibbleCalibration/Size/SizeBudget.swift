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

    /// Throws where no choice of types has the size.
    func check(_ matrices: QuantizedMatrices, output: String) throws(CheckpointError) {
        let chosen = matrices.calibrated + matrices.vocabulary
        let sizes = chosen.map { tensor in
            Self.candidates.compactMap { Self.bytes(tensor, $0) }
        }
        let own = chosen.reduce(0) { $0 + EncodedRowsFile.byteCount($1) }
        let budget = bytes(insteadOf: own)
        let smallest = sizes.reduce(0) { $0 + ($1.min() ?? 0) }
        let largest = sizes.reduce(0) { $0 + ($1.max() ?? 0) }
        guard !(smallest...largest).contains(budget) else { return }
        let nearest = budget < smallest ? smallest : largest
        throw CheckpointError(
            .invalidRequest, path: output,
            "no types make it \(target): the \(budget < smallest ? "smallest" : "largest") file has "
                + text(nearest - own),
            advice: "ask for that")
    }

    /// The size of a file whose tensors take more bytes than the converter's.
    private func text(_ more: Int) -> String {
        switch target {
        case .bytes: return ByteText.text(header + tensors + more)
        case .bitsPerWeight:
            let bits = Double(tensors + more) * 8 / Double(weights)
            return "\((bits * 100).rounded(.up) / 100) bits a weight"
        }
    }
}
