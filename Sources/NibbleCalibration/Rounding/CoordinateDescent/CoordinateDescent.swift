internal import NibbleNumerics
internal import NibbleTensor

/// Coordinate descent on the codes and scales of rounded rows (QuantEase, Behdin et al. 2023, arXiv 2309.01885; scales in
/// turn with codes as in LNQ of GuidedQuant, Kim et al. 2025, arXiv 2505.07004).
///
/// With A = Σ x xᵀ of the inputs and e the errors of a row's weights, e A eᵀ is the error of its outputs, and g = e A
/// half its gradient. One code or scale at a time takes the value that is best with all others as they are:
///
/// - a code that of qⱼ - gⱼ / (Aⱼⱼ s) that is nearest;
/// - a scale s - (q · g) / (q A qᵀ), g and A those of its block, rounded to a portable one.
///
/// The error never grows. Each block keeps a weight with its extreme code, so that plain rounding finds it again
/// (`ScaledBlocks.anchor`).
struct CoordinateDescent {
    /// A, symmetric.
    let hessian: FloatPanels
    let columns: Int
    /// What is added to its diagonal.
    let damping: Float
    let codec: ScaledBlocks
    let level: KernelLevel

    /// Times that all blocks have their turn.
    static let sweeps = 2
    /// Times that scale and codes of a block change in its turn.
    private static let turns = 2
    private static let width = ScaledBlocks.blockSize

    /// Columns whose changes are passed on together: each block to those of its stripe, a stripe to all others.
    private static let stripe = 256

    /// Lowers the errors of `rows` rows.
    ///
    /// - Parameters:
    ///   - errors: decoded less original weights, `[rows][columns]`.
    ///   - values: what was rounded, `[rows][columns]`; receives the decoded weights.
    ///   - scales: `[rows][columns / 32]`
    func descend(
        rows: Int, errors: UnsafePointer<Float>, values: UnsafeMutablePointer<Float>,
        scales: UnsafeMutablePointer<Float>
    ) {
        let width = Self.width
        let memory = Memory(
            byteCount: (rows * (columns + Self.stripe) + width * width + BlockDescent.scratch) * 4)
        let gradients = memory.floats
        let changes = gradients + rows * columns
        let square = changes + rows * Self.stripe
        addProduct(errors, stride: columns, 0..<columns, to: gradients, 0..<columns, rows: rows)
        for index in 0..<rows * columns { gradients[index] += damping * errors[index] }
        for _ in 0..<Self.sweeps {
            for start in stride(from: 0, to: columns, by: Self.stripe) {
                let stripe = start..<min(start + Self.stripe, columns)
                for first in stride(from: start, to: stripe.upperBound, by: width) {
                    let own = changes + first - start
                    copySquare(first, into: square)
                    turn(
                        of: first, rows: rows, square: square, gradients: gradients, values: values,
                        scales: scales, changes: own)
                    addProduct(
                        own, stride: Self.stripe, first..<first + width, to: gradients, stripe, rows: rows)
                }
                for others in [0..<start, stripe.upperBound..<columns] {
                    addProduct(changes, stride: Self.stripe, stripe, to: gradients, others, rows: rows)
                }
            }
        }
        withExtendedLifetime(memory) {}
    }

    /// Changes scales and codes of the blocks that begin at a column.
    ///
    /// - Parameters:
    ///   - square: what the block's columns have of A; behind it is room for `BlockDescent`.
    ///   - changes: receives what was added to the decoded weights, rows ``stripe`` apart.
    private func turn(
        of first: Int, rows: Int, square: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        values: UnsafeMutablePointer<Float>, scales: UnsafeMutablePointer<Float>,
        changes: UnsafeMutablePointer<Float>
    ) {
        let width = Self.width
        for row in 0..<rows {
            let scale = scales + (row * columns + first) / width
            let (own, gradient) = (values + row * columns + first, gradients + row * columns + first)
            let change = changes + row * Self.stripe
            var turn = BlockDescent(
                square: square, codec: codec, scale: scale.pointee, values: own, gradient: gradient,
                scratch: square + width * width)
            turn.decode(into: change)
            for _ in 0..<Self.turns where turn.scale != 0 {
                turn.chooseScale()
                turn.chooseCodes()
            }
            turn.decode(into: own)
            scale.pointee = turn.scale
            for column in 0..<width {
                change[column] = own[column] - change[column]
                gradient[column] += damping * change[column]
            }
        }
    }

    /// Adds what errors of some columns are to the gradients of others.
    private func addProduct(
        _ errors: UnsafePointer<Float>, stride: Int, _ columns: Range<Int>,
        to gradients: UnsafeMutablePointer<Float>, _ others: Range<Int>, rows: Int
    ) {
        Compute.addProduct(
            errors, stride: stride, hessian, row: columns.lowerBound, column: others.lowerBound,
            into: gradients + others.lowerBound, stride: self.columns, rows: rows,
            columns: others.count, depth: columns.count, level: level)
    }

    private func copySquare(_ first: Int, into square: UnsafeMutablePointer<Float>) {
        for row in 0..<Self.width {
            (square + row * Self.width).update(
                from: hessian.place(row: first + row, column: first), count: Self.width)
            square[row * Self.width + row] += damping
        }
    }
}
