internal import NibbleCheckpoint
internal import NibbleTensor

/// What rows of a matrix take over of the errors of rows that were rounded before them: feedback from output to output, as
/// ``GPTQRounding`` is from input to input (YAQA, Tseng et al. 2025, arXiv 2505.22988).
///
/// With the output Hessian G = Σ g gᵀ, the input Hessian A = Σ x xᵀ and errors E of the weights,
/// the loss changes by about tr(G E A Eᵀ). With G = S Sᵀ, S upper triangular, that is the sum over rows j of what
/// Σ_{i≤j} Sᵢⱼ Eᵢ costs by A. Row j is rounded from
///
///     tⱼ = wⱼ + Σ_{i<j} Eᵢ Sᵢⱼ / Sⱼⱼ
///
/// Rows are taken in pieces, whose own rows do not see each other's errors.
struct YAQARounding {
    /// Rows that are rounded together, in the order in which they are: by falling mean square of their gradients.
    let pieces: [Range<Int>]
    private let rows: Int
    /// S in that order, `[rows][rows]`.
    private let factor: Memory

    /// Rows of a piece.
    static let height = 16
    /// What is added to the diagonal of G, as a share of its mean.
    static let damping: Float = 0.05

    /// - Parameter hessian: G, `[rows][rows]`.
    init(_ hessian: Memory, rows: Int) throws(HessianFailure) {
        let all = UnsafeBufferPointer(start: hessian.floats, count: rows * rows)
        let squares = (0..<rows).map { hessian.floats[$0 * rows + $0] }
        let mean = squares.reduce(0, +) / Float(rows)
        guard mean.isFinite, all.allSatisfy(\.isFinite) else { throw .notFinite }
        guard mean > 0 else { throw .zero }
        pieces = stride(from: 0, to: rows, by: Self.height)
            .map { first in
                let piece = first..<min(first + Self.height, rows)
                return (piece: piece, square: squares[piece].reduce(0, +) / Float(piece.count))
            }
            .sorted { ($1.square, $0.piece.lowerBound) < ($0.square, $1.piece.lowerBound) }.map(\.piece)
        self.rows = rows
        let order = pieces.flatMap { $0 }
        factor = Memory(byteCount: rows * rows * 4)
        for (row, source) in order.enumerated() {
            for (column, other) in order.enumerated() {
                factor.floats[row * rows + column] = hessian.floats[source * rows + other]
            }
            factor.floats[row * rows + row] += Self.damping * mean
        }
        guard Compute.factorUpper(factor.floats, size: rows) else { throw .indefinite }
    }

    /// Rounds all rows of a matrix, piece by piece.
    ///
    /// - Parameter round: rounds some rows, whose weights become what they are decoded to.
    func round(
        _ matrix: CalibratedMatrix, _ round: (Range<Int>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        let columns = matrix.columns
        // Original less rounded weights, in the order of pieces.
        let errors = Memory(byteCount: rows * columns * 4)
        var first = 0
        for piece in pieces {
            let own = matrix.weights.floats + piece.lowerBound * columns
            let error = errors.floats + first * columns
            error.update(from: own, count: piece.count * columns)
            if first > 0 {
                let taken = taken(first, piece.count)
                Compute.addProduct(
                    taken.floats, stride: first, errors.floats, stride: columns, into: own, stride: columns,
                    rows: piece.count, columns: columns, depth: first)
            }
            try round(piece)
            for index in 0..<piece.count * columns { error[index] -= own[index] }
            first += piece.count
        }
    }

    /// Of a piece that begins at `first` in the order, what its rows take over of each row before it:
    /// the transpose of S's part above the piece, divided by the part within it, `[count][first]`.
    private func taken(_ first: Int, _ count: Int) -> Memory {
        let result = Memory(byteCount: count * first * 4)
        for column in 0..<count {
            let own = result.floats + column * first
            for row in 0..<first { own[row] = factor.floats[row * rows + first + column] }
            for other in 0..<column {
                let weight = factor.floats[(first + other) * rows + first + column]
                let before = result.floats + other * first
                for row in 0..<first { own[row] -= weight * before[row] }
            }
            let root = factor.floats[(first + column) * rows + first + column]
            for row in 0..<first { own[row] /= root }
        }
        return result
    }
}
