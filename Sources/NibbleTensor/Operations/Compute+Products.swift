internal import COpenBLAS
package import NibbleNumerics

/// Products and solutions on one thread, for loops that have threads of their own.
extension Compute {
    /// Columns of which a solution is found together: a product brings in those before them.
    private static let solved = 128

    /// Replaces each row y by the x with x F = y, or x Fᵀ = y where it is transposed; F is upper triangular with ones on
    /// its diagonal, `[size][size]`, of which only what is above it is read.
    package static func divideByUnitUpper(
        _ y: UnsafeMutablePointer<Float>, rows: Int, _ factor: UnsafePointer<Float>, size: Int,
        isTransposed: Bool, level: KernelLevel
    ) {
        let starts = Array(stride(from: 0, to: size, by: solved))
        for first in isTransposed ? starts.reversed() : starts {
            let own = first..<min(first + solved, size)
            // Those that are known by now.
            let known = isTransposed ? own.upperBound..<size : 0..<own.lowerBound
            let part =
                isTransposed
                ? FloatProduct.Operand.transposed(factor + first * size + known.lowerBound, stride: size)
                : .rows(factor + first, stride: size)
            FloatProduct(
                a: .rows(y + known.lowerBound, stride: size), b: part, factor: -1, rows: rows,
                columns: own.count, depth: known.count
            ).add(to: y + first, stride: size, level: level.number)
            cblas_strsm(
                CblasRowMajor, CblasRight, CblasUpper, isTransposed ? CblasTrans : CblasNoTrans, CblasUnit,
                blasint(rows), blasint(own.count), 1, factor + first * size + first, blasint(size), y + first,
                blasint(size))
        }
    }

    /// y += a b, or aᵀ b where a is transposed: `[rows][depth]`, or `[depth][rows]`, times `[depth][columns]`, with what lies
    /// between two rows of each.
    package static func addProduct(
        _ a: UnsafePointer<Float>, stride aStride: Int, isTransposed: Bool = false, _ b: UnsafePointer<Float>,
        stride bStride: Int, into y: UnsafeMutablePointer<Float>, stride yStride: Int, rows: Int,
        columns: Int, depth: Int, level: KernelLevel
    ) {
        FloatProduct(
            a: isTransposed ? .transposed(a, stride: aStride) : .rows(a, stride: aStride),
            b: .rows(b, stride: bStride), rows: rows, columns: columns, depth: depth
        ).add(to: y, stride: yStride, level: level.number)
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
