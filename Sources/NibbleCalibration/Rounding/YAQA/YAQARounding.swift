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
    /// Rows that take over each other's errors.
    private let rows: Int
    /// S in that order, `[rows][rows]`.
    private let factor: Memory
    private let compute: Compute

    /// Rows of a piece of a matrix of `rows`: so few that hardly any pair of rows is in one piece, and so many that the
    /// factors, which are read for each piece, are not what it waits for.
    static func height(rows: Int) -> Int { max(16, rows / 40 / 16 * 16) }

    /// What is added to the diagonal of G, as a share of its mean.
    static let damping: Float = 0.05

    /// - Parameters:
    ///   - hessian: G, `[rows][rows]`.
    ///   - band: the rows of the matrix that it is of.
    init(_ hessian: Memory, rows band: Range<Int>, compute: Compute) throws(HessianFailure) {
        let rows = band.count
        let squares = (0..<rows).map { hessian.floats[$0 * rows + $0] }
        let mean = squares.reduce(0, +) / Float(rows)
        guard mean.isFinite, compute.areFinite(hessian.floats, count: rows * rows) else { throw .notFinite }
        guard mean > 0 else { throw .zero }
        let height = Self.height(rows: rows)
        pieces = stride(from: 0, to: rows, by: height)
            .map { first in
                let piece = first..<min(first + height, rows)
                return (
                    piece: band.lowerBound + piece.lowerBound..<band.lowerBound + piece.upperBound,
                    square: squares[piece].reduce(0, +) / Float(piece.count)
                )
            }
            .sorted { ($1.square, $0.piece.lowerBound) < ($0.square, $1.piece.lowerBound) }.map(\.piece)
        self.rows = rows
        self.compute = compute
        let order = pieces.flatMap { $0.map { $0 - band.lowerBound } }
        factor = Memory(byteCount: rows * rows * 4)
        let values = factor.floats
        compute.forEachRows(of: rows) { range in
            for row in range {
                let (source, target) = (hessian.floats + order[row] * rows, values + row * rows)
                for (column, other) in order.enumerated() { target[column] = source[other] }
                target[row] += Self.damping * mean
            }
        }
        guard compute.factorUpper(values, size: rows) else { throw .indefinite }
    }

    /// Columns that a thread takes at a time.
    private static let stripe = 256

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
                compute.forEachRows(in: 0..<columns, height: Self.stripe) { stripe in
                    Compute.addProduct(
                        taken.floats, stride: piece.count, isTransposed: true,
                        errors.floats + stripe.lowerBound,
                        stride: columns, into: own + stripe.lowerBound, stride: columns,
                        rows: piece.count, columns: stripe.count, depth: first, level: compute.level)
                }
                withExtendedLifetime(taken) {}
            }
            try round(piece)
            for index in 0..<piece.count * columns { error[index] -= own[index] }
            first += piece.count
        }
    }

    /// Of a piece that begins at `first` in the order, what its rows take over of each row before it: S's part above the
    /// piece, divided by the part within it, `[first][count]`.
    private func taken(_ first: Int, _ count: Int) -> Memory {
        let result = Memory(byteCount: count * first * 4)
        let own = factor.floats + first * rows + first
        compute.forEachRows(in: 0..<first, height: 256) { range in
            let target = result.floats + range.lowerBound * count
            for row in range {
                (result.floats + row * count).update(from: factor.floats + row * rows + first, count: count)
            }
            Compute.divideByUpper(target, rows: range.count, own, size: count, stride: rows)
        }
        return result
    }
}
