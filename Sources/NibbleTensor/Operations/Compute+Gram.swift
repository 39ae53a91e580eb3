internal import COpenBLAS

extension Compute {
    /// Adds the products of all pairs of features, summed over the tokens: target += x xᵀ, `[features][features]`.
    ///
    /// Only what lies on and above the diagonal is right afterwards: ``completeGram(_:size:)`` does the rest.
    ///
    /// - Parameter weights: what the product of each token is multiplied by, sequence by sequence; nil: 1.
    package func addGram(
        of x: Tensor, weights: ArraySlice<Float>? = nil, to target: UnsafeMutablePointer<Float>
    ) {
        let x = weighted(x, weights)
        addWeightGradient(
            TokenRows(x, compute: self), x, to: target, accumulates: true, isSymmetric: true)
    }

    /// Copies what lies above the diagonal of a symmetric matrix, `[size][size]`, to below it.
    package func completeGram(_ target: UnsafeMutablePointer<Float>, size: Int) {
        let side = 64
        let pieces = (size + side - 1) / side
        workers.forEach(pieces) { piece in
            let rows = piece * side..<min((piece + 1) * side, size)
            for first in stride(from: 0, through: rows.lowerBound, by: side) {
                for row in rows {
                    for column in first..<min(first + side, row) {
                        target[row * size + column] = target[column * size + row]
                    }
                }
            }
        }
    }

    /// Adds the products of the features of two tensors, summed over the tokens: target += y xᵀ,
    /// `[features of y][features of x]`.
    ///
    /// - Parameter weights: as in ``addGram(of:weights:to:)``.
    package func addGram(
        of y: Tensor, _ x: Tensor, weights: ArraySlice<Float>? = nil, to target: UnsafeMutablePointer<Float>
    ) {
        precondition(x.layout == y.layout, "tensors of different layout")
        addWeightGradient(
            TokenRows(weighted(y, weights), compute: self), weighted(x, weights), to: target,
            accumulates: true)
    }

    /// Tokens times the roots of their weights, without what lies in padding.
    private func weighted(_ x: Tensor, _ weights: ArraySlice<Float>?) -> Tensor {
        let isFull = x.layout.length.isMultiple(of: x.layout.width)
        let factors = weights.map { $0.map { $0.squareRoot() } }
        return factors.map { scaleTokens(x, by: $0.span) } ?? (isFull ? x : withZeroPadding(x))
    }

    private func withZeroPadding(_ x: Tensor) -> Tensor {
        scaleTokens(x, by: [Float](repeating: 1, count: x.layout.tokens).span)
    }

    /// Replaces a symmetric positive definite matrix A, `[size][size]`, by the upper triangular R with A = R Rᵀ; what is
    /// below the diagonal is then without meaning.
    ///
    /// The usual factor, LAPACK's, is that of A with rows and columns in reverse.
    ///
    /// - Returns: false where A is not positive definite; its contents are lost then, too.
    package static func factorUpper(_ a: UnsafeMutablePointer<Float>, size: Int) -> Bool {
        var all = UnsafeMutableBufferPointer(start: a, count: size * size)
        all.reverse()
        // Column by column, as LAPACK reads it: the upper factor of it is the lower one of ours.
        var (upper, n, info) = (CChar(UInt8(ascii: "U")), blasint(size), blasint(0))
        var leading = n
        spotrf_(&upper, &n, a, &leading, &info)
        all.reverse()
        return info == 0
    }

    /// Replaces each row y by the x with x F = y, or x Fᵀ = y where it is transposed; F is upper triangular with ones on
    /// its diagonal, `[size][size]`, of which only what is above it is read.
    package static func divideByUnitUpper(
        _ y: UnsafeMutablePointer<Float>, rows: Int, _ factor: UnsafePointer<Float>, size: Int,
        isTransposed: Bool
    ) {
        cblas_strsm(
            CblasRowMajor, CblasRight, CblasUpper, isTransposed ? CblasTrans : CblasNoTrans, CblasUnit,
            blasint(rows), blasint(size), 1, factor, blasint(size), y, blasint(size))
    }

    /// y += a b, row by row: `[rows][depth]` times `[depth][columns]`, with what lies between two rows of each.
    package static func addProduct(
        _ a: UnsafePointer<Float>, stride aStride: Int, _ b: UnsafePointer<Float>, stride bStride: Int,
        into y: UnsafeMutablePointer<Float>, stride yStride: Int, rows: Int, columns: Int, depth: Int
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(columns), blasint(depth), 1, a,
            blasint(aStride), b, blasint(bStride), 1, y, blasint(yStride))
    }
}
