internal import CKernels

/// Rows of weights by columns, as a product takes them that sums over rows: Σ over rows of w[row][column] y[row][token].
///
/// BF16: `[block of columns][pair of rows][96]` pairs, for tiles `[column][pair of rows]`. F32: `[block of columns][row][96]`.
struct WeightColumns {
    /// Rows that there is room for, an even number.
    private let capacity: Int
    private let columns: Int
    private let isBF16: Bool
    private let hasTiles: Bool
    private let level: Int32
    private let buffer: Buffer

    /// Columns of a block: as many as fit the second cache with thousands of rows, and a multiple of all tiles.
    private static let width = 96

    init(rows: Int, columns: Int, compute: Compute) {
        capacity = (rows + 1) / 2 * 2
        self.columns = columns
        isBF16 = compute.hasBF16
        hasTiles = compute.hasTiles
        level = compute.levelNumber
        let blocks = (columns + Self.width - 1) / Self.width
        buffer = compute.pool.take(
            bytes: blocks * (isBF16 ? capacity / 2 : capacity) * Self.width * 4)
    }

    /// All rows of a matrix, prepared by all threads.
    init(_ matrix: Matrix, compute: Compute) {
        self.init(rows: matrix.rows, columns: matrix.columns, compute: compute)
        let slabs = (matrix.rows + Self.slab - 1) / Self.slab
        compute.workers.forEach(slabs) { [self] slab in
            let rows = slab * Self.slab..<min((slab + 1) * Self.slab, matrix.rows)
            guard isBF16 else {
                let decoded = compute.pool.take(bytes: matrix.columns * 4)
                let values = decoded.bound(to: Float.self)
                for row in rows {
                    matrix.decode(row..<row + 1, into: values, level: compute.level)
                    set(row: row, values)
                }
                return
            }
            let (source, keeper) = WeightSlab.halves(matrix, rows, compute: compute)
            set(first: rows.lowerBound, source.start, stride: source.stride, count: rows.count)
            withExtendedLifetime(keeper) {}
        }
    }

    /// Rows that are decoded at a time, an even number.
    private static let slab = 32

    /// Blocks of columns, the rows of a product.
    var blocks: Int { (columns + Self.width - 1) / Self.width }

    /// Sets a row in F32.
    func set(row: Int, _ values: UnsafePointer<Float>) {
        for block in 0..<blocks {
            let first = block * Self.width
            place(block: block, row: row).update(
                from: values + first, count: min(Self.width, columns - first))
        }
    }

    /// Where the columns of a block of a row lie in F32.
    private func place(block: Int, row: Int) -> UnsafeMutablePointer<Float> {
        buffer.bound(to: Float.self) + (block * capacity + row) * Self.width
    }

    /// Sets `count` rows in BF16, `stride` elements apart, from an even one on; what is past an odd end becomes zero.
    func set(first: Int, _ rows: UnsafePointer<UInt16>, stride: Int, count: Int) {
        let target = buffer.bound(to: UInt32.self)
        if hasTiles {
            return nibble_pack_bf16_columns(
                rows, stride, count, columns, target + first / 2, capacity / 2)
        }
        for row in Swift.stride(from: 0, to: count, by: 2) {
            let even = rows + row * stride
            nibble_interleave_bf16(
                even, row + 1 < count ? even + stride : nil, columns, Self.width, capacity / 2 * Self.width,
                target + (first + row) / 2 * Self.width)
        }
    }

    /// x[column][token] (+)= the product of the first `rows` rows with y, for the columns of a block.
    ///
    /// - Parameters:
    ///   - y: `[rows][width]`, and in BF16 its packed pairs.
    ///   - x: a panel of all columns.
    func multiply(
        rows: Int, _ y: UnsafePointer<Float>, pairs: UnsafePointer<UInt32>?, width: Int, block: Int,
        into x: UnsafeMutablePointer<Float>, accumulates: Bool
    ) {
        let first = block * Self.width
        let count = min(Self.width, columns - first)
        let target = x + first * width
        if isBF16 {
            guard let pairs else { preconditionFailure("operand not packed in pairs") }
            if hasTiles {
                return nibble_bf16_tiles_product(
                    buffer.bound(to: UInt32.self) + first * capacity / 2, capacity / 2, count,
                    (rows + 1) / 2, pairs, width, target, width, accumulates ? 1 : 0)
            }
            nibble_bf16_columns_product(
                buffer.bound(to: UInt32.self) + block * capacity / 2 * Self.width, Self.width, count,
                (rows + 1) / 2, pairs, width, target, accumulates ? 1 : 0)
        } else {
            for row in Swift.stride(from: 0, to: rows, by: FloatProduct.depthAtATime) {
                nibble_f32_columns_product(
                    place(block: block, row: row), Self.width, count,
                    min(FloatProduct.depthAtATime, rows - row), y + row * width, width, target,
                    accumulates || row > 0 ? 1 : 0, level)
            }
        }
    }
}
