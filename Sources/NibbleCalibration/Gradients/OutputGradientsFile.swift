internal import NibbleCheckpoint
internal import NibbleQuantization
internal import NibbleTensor

/// The ``OutputGradients`` of matrices in a scratch file: of all blocks, or of one block at a time.
struct OutputGradientsFile {
    private let file: ScratchFile
    private let places: [TensorRole: Place]
    private let tokens: Int
    private let compute: Compute

    private struct Place {
        let offset: Int
        let bands: [Range<Int>]
    }

    /// Creates the file, or opens one for the same matrices and tokens.
    ///
    /// - Parameters:
    ///   - bands: of the rows of each matrix, what its output Hessians are of.
    ///   - isOfOneBlock: whether the matrices of each block take the place of those of the block before.
    init(
        path: String, _ matrices: [(role: TensorRole, bands: [Range<Int>])], tokens: Int,
        isOfOneBlock: Bool, compute: Compute
    ) throws(CheckpointError) {
        file = try ScratchFile(path: path)
        self.tokens = tokens
        self.compute = compute
        var places: [TensorRole: Place] = [:]
        var ends: [Int?: Int] = [:]
        for matrix in matrices {
            let block = isOfOneBlock ? matrix.role.layer : nil
            let offset = ends[block] ?? 0
            places[matrix.role] = Place(offset: offset, bands: matrix.bands)
            ends[block] = offset + Self.byteCount(matrix.bands, tokens: tokens)
        }
        self.places = places
    }

    /// Bytes of a matrix.
    static func byteCount(_ bands: [Range<Int>], tokens: Int) -> Int {
        4 * tokens + OutputGradients.byteCount(bands)
    }

    /// Keeps what was found of a matrix.
    func write(_ gradients: OutputGradients, of role: TensorRole) throws(CheckpointError) {
        guard let place = places[role] else { return }
        precondition(gradients.squares.count == tokens, "\(gradients.squares.count) tokens of \(tokens)")
        try gradients.squares.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try file.write(bytes, at: place.offset, compute)
        }
        var offset = place.offset + 4 * tokens
        for (_, sum) in gradients.hessians {
            try file.write(UnsafeRawBufferPointer(sum.bytes), at: offset, compute)
            offset += sum.bytes.count
        }
    }

    /// How much the tokens matter to a matrix; nil where all gradients by its outputs are zero, or one is no number.
    func weights(_ role: TensorRole) throws(CheckpointError) -> [Float]? {
        OutputGradients.weights(try squares(role))
    }

    /// |g|² of the tokens of all sequences; empty where nothing is known of a matrix.
    func squares(_ role: TensorRole) throws(CheckpointError) -> [Float] {
        guard let place = places[role] else { return [] }
        let squares = Memory(byteCount: 4 * tokens)
        try file.read(into: squares.bytes, at: place.offset, compute)
        return Array(UnsafeBufferPointer(start: squares.floats, count: tokens))
    }

    /// The output Hessians of a matrix, of each band of its rows.
    func hessians(_ role: TensorRole) throws(CheckpointError) -> [OutputGradients.Hessian] {
        guard let place = places[role] else { return [] }
        let gradients = OutputGradients(place.bands)
        var offset = place.offset + 4 * tokens
        for (_, sum) in gradients.hessians {
            try file.read(into: sum.bytes, at: offset, compute)
            offset += sum.bytes.count
        }
        return gradients.hessians
    }
}
