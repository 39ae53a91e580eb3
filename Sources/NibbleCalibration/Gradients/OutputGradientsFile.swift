internal import NibbleCheckpoint
internal import NibbleQuantization
internal import NibbleTensor

/// The ``OutputGradients`` of the matrices of all blocks in a scratch file.
struct OutputGradientsFile {
    private let file: ScratchFile
    private let places: [TensorRole: Place]
    private let tokens: Int
    private let compute: Compute

    private struct Place {
        let offset: Int
        let rows: Int
    }

    /// Creates the file, or opens one for the same matrices and tokens.
    init(
        path: String, _ matrices: [PlannedTensor], tokens: Int, compute: Compute
    ) throws(CheckpointError) {
        file = try ScratchFile(path: path)
        self.tokens = tokens
        self.compute = compute
        var places: [TensorRole: Place] = [:]
        var offset = 0
        for matrix in matrices {
            places[matrix.role] = Place(offset: offset, rows: matrix.rows)
            offset += Self.byteCount(rows: matrix.rows, tokens: tokens)
        }
        self.places = places
    }

    /// Bytes of a matrix.
    static func byteCount(rows: Int, tokens: Int) -> Int {
        4 * (tokens + (rows <= OutputGradients.mostRows ? rows * rows : 0))
    }

    /// Keeps what was found of a matrix.
    func write(_ gradients: OutputGradients, of role: TensorRole) throws(CheckpointError) {
        guard let place = places[role] else { return }
        precondition(gradients.squares.count == tokens, "\(gradients.squares.count) tokens of \(tokens)")
        let offset = place.offset
        try gradients.squares.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try file.write(bytes, at: offset, compute)
        }
        guard let hessian = gradients.hessian else { return }
        try file.write(UnsafeRawBufferPointer(hessian.bytes), at: place.offset + 4 * tokens, compute)
    }

    /// What was kept; nil where the matrix is none of those.
    func read(_ role: TensorRole) throws(CheckpointError) -> OutputGradients? {
        guard let place = places[role] else { return nil }
        var gradients = OutputGradients(rows: place.rows)
        let squares = Memory(byteCount: 4 * tokens)
        try file.read(into: squares.bytes, at: place.offset, compute)
        gradients.squares = Array(UnsafeBufferPointer(start: squares.floats, count: tokens))
        if let hessian = gradients.hessian {
            try file.read(into: hessian.bytes, at: place.offset + 4 * tokens, compute)
        }
        return gradients
    }
}
