internal import COpenBLAS
internal import Synchronization

extension Compute {
    /// Rows and columns of a tile of ``factorUpper(_:size:)``: a product of tiles keeps a core busy, and three of them fit
    /// its cache.
    private static let tile = 256

    /// Replaces a symmetric positive definite matrix A, `[size][size]`, by the upper triangular R with A = R Rᵀ, on all
    /// threads; what is below the diagonal is neither read nor written.
    ///
    /// Tile by tile from the last column on: the factor of a tile of the diagonal, the tiles above it by that, and all
    /// tiles before these less their products. The same bits for any number of threads.
    ///
    /// - Returns: false where A is not positive definite; its contents are lost then, too.
    package func factorUpper(_ a: UnsafeMutablePointer<Float>, size: Int) -> Bool {
        let count = (size + Self.tile - 1) / Self.tile
        func range(_ tile: Int) -> Range<Int> {
            tile * Self.tile..<min((tile + 1) * Self.tile, size)
        }
        for own in (0..<count).reversed() {
            let columns = range(own)
            let diagonal = a + columns.lowerBound * size + columns.lowerBound
            guard Self.factorTile(diagonal, size: columns.count, stride: size) else { return false }
            workers.forEach(own) { above in
                let rows = range(above)
                cblas_strsm(
                    CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, blasint(rows.count),
                    blasint(columns.count), 1, diagonal, blasint(size),
                    a + rows.lowerBound * size + columns.lowerBound, blasint(size))
            }
            workers.forEach(own * (own + 1) / 2) { pair in
                // Pairs (row, column) with row <= column, column by column.
                var (column, first) = (0, 0)
                while first + column + 1 <= pair { (column, first) = (column + 1, first + column + 1) }
                let (rows, others) = (range(pair - first), range(column))
                FloatProduct(
                    a: .rows(a + rows.lowerBound * size + columns.lowerBound, stride: size),
                    b: .transposed(a + others.lowerBound * size + columns.lowerBound, stride: size),
                    factor: -1, rows: rows.count, columns: others.count, depth: columns.count
                ).add(
                    to: a + rows.lowerBound * size + others.lowerBound, stride: size, level: levelNumber)
            }
        }
        return true
    }

    /// The factor of a tile. The usual one, LAPACK's, is that of A with rows and columns in reverse.
    private static func factorTile(_ a: UnsafeMutablePointer<Float>, size: Int, stride: Int) -> Bool {
        var values = [Float](repeating: 0, count: size * size)
        for row in 0..<size {
            for column in row..<size {
                values[(size - 1 - row) * size + size - 1 - column] = a[row * stride + column]
            }
        }
        // Column by column, as LAPACK reads it: the upper factor of it is the lower one of ours.
        var (upper, n, info) = (CChar(UInt8(ascii: "U")), blasint(size), blasint(0))
        var leading = n
        spotrf_(&upper, &n, &values, &leading, &info)
        guard info == 0 else { return false }
        for row in 0..<size {
            for column in row..<size {
                a[row * stride + column] = values[(size - 1 - row) * size + size - 1 - column]
            }
        }
        return true
    }

    /// Whether all of `count` values are finite.
    package func areFinite(_ values: UnsafePointer<Float>, count: Int) -> Bool {
        let found = Atomic<Bool>(true)
        forEachRows(in: 0..<count, height: 1 << 18) { range in
            var largest: UInt32 = 0
            for index in range { largest = max(largest, values[index].bitPattern & 0x7FFF_FFFF) }
            if largest >= Float.infinity.bitPattern { found.store(false, ordering: .relaxed) }
        }
        return found.load(ordering: .relaxed)
    }
}
