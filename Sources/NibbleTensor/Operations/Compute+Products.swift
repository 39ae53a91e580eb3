internal import COpenBLAS

/// Products and solutions on one thread, for loops that have threads of their own.
extension Compute {
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

    /// y += aᵀ b: `[depth][rows]` transposed times `[depth][columns]`, with what lies between two rows of each.
    package static func addTransposedProduct(
        _ a: UnsafePointer<Float>, stride aStride: Int, _ b: UnsafePointer<Float>, stride bStride: Int,
        into y: UnsafeMutablePointer<Float>, stride yStride: Int, rows: Int, columns: Int, depth: Int
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, blasint(rows), blasint(columns), blasint(depth), 1, a,
            blasint(aStride), b, blasint(bStride), 1, y, blasint(yStride))
    }

    /// Replaces each row y by the x with x F = y; F is upper triangular, `[size][size]` with `stride` between two rows, of
    /// which what is below its diagonal is not read.
    package static func divideByUpper(
        _ y: UnsafeMutablePointer<Float>, rows: Int, _ factor: UnsafePointer<Float>, size: Int, stride: Int
    ) {
        cblas_strsm(
            CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, blasint(rows), blasint(size),
            1,
            factor, blasint(stride), y, blasint(size))
    }
}
