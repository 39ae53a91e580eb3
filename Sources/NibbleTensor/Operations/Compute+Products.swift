internal import COpenBLAS
package import NibbleNumerics

/// Products and solutions on one thread, for loops that have threads of their own.
extension Compute {
    /// Columns of which a solution is found together: a product brings in those before them.
    private static let solved = 128

    /// Replaces each row y by the x with x F = y, or x Fᵀ = y where it is transposed; F is upper triangular with ones on
    /// its diagonal, `[size][size]`, of which only what is above it is read.
    package static func divideByUnitUpper(
        _ y: UnsafeMutablePointer<Float>, rows: Int, _ factor: FloatPanels, size: Int,
        isTransposed: Bool, level: KernelLevel
    ) {
        // A square of the diagonal, one row after the other.
        let square = Memory(byteCount: 4 * solved * solved)
        let starts = Array(stride(from: 0, to: size, by: solved))
        for first in isTransposed ? starts.reversed() : starts {
            let own = first..<min(first + solved, size)
            // Those that are known by now.
            let known = isTransposed ? own.upperBound..<size : 0..<own.lowerBound
            let part =
                isTransposed
                ? FloatProduct.Right.transposedPanels(factor, row: first, column: known.lowerBound)
                : .panels(factor, row: 0, column: first)
            for row in own {
                for column in stride(from: first, to: own.upperBound, by: FloatPanels.width) {
                    (square.floats + (row - first) * own.count + column - first).update(
                        from: factor.place(row: row, column: column), count: FloatPanels.width)
                }
            }
            FloatProduct(
                a: .rows(y + known.lowerBound, stride: size), b: part, factor: -1, rows: rows,
                columns: own.count, depth: known.count
            ).add(to: y + first, stride: size, level: level.number)
            cblas_strsm(
                CblasRowMajor, CblasRight, CblasUpper, isTransposed ? CblasTrans : CblasNoTrans, CblasUnit,
                blasint(rows), blasint(own.count), 1, square.floats, blasint(own.count), y + first,
                blasint(size))
        }
        withExtendedLifetime(square) {}
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

    /// y += a b: `[rows][depth]` times the part of a matrix in panels that begins at a row and at a column, a multiple of 32
    /// as `columns` is; with what lies between two rows of a and y.
    package static func addProduct(
        _ a: UnsafePointer<Float>, stride aStride: Int, _ b: FloatPanels, row: Int, column: Int,
        into y: UnsafeMutablePointer<Float>, stride yStride: Int, rows: Int, columns: Int, depth: Int,
        level: KernelLevel
    ) {
        FloatProduct(
            a: .rows(a, stride: aStride), b: .panels(b, row: row, column: column), rows: rows,
            columns: columns, depth: depth
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
