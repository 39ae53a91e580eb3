internal import CKernels

/// Some rows of a matrix by columns: what takes the gradient of a product to that of its operand.
struct TransposedWeights {
    /// Groups of columns, the rows of a product.
    let blocks: Int
    private let rows: Int
    private let columns: Int
    private let level: Int32
    private let buffer: Buffer
    private let isBF16: Bool

    /// Columns of a block: as many as fit the second cache with thousands of rows, and a multiple of all tiles.
    private static let width = 48

    /// - Parameter isShared: whether all threads prepare it, rather than the one that asks.
    init(_ matrix: Matrix, _ rows: Range<Int>, compute: Compute, isShared: Bool = true) {
        self.rows = rows.count
        columns = matrix.columns
        level = compute.levelNumber
        isBF16 = compute.hasBF16
        blocks = (columns + Self.width - 1) / Self.width
        // BF16: `[block][pair of rows][width]` pairs. F32: rows as they are.
        let bytes =
            isBF16 ? blocks * ((rows.count + 1) / 2) * Self.width * 4 : rows.count * matrix.columns * 4
        buffer = compute.pool.take(bytes: bytes)
        let slabs = (rows.count + Self.slab - 1) / Self.slab
        let body = { [self] (slab: Int) in
            let first = slab * Self.slab
            prepare(
                matrix, from: rows.lowerBound + first, into: first,
                count: min(Self.slab, rows.count - first), compute: compute)
        }
        if isShared { compute.workers.forEach(slabs, body) } else { for slab in 0..<slabs { body(slab) } }
    }

    /// Rows that are decoded at a time, an even number.
    private static let slab = 32

    private func prepare(_ matrix: Matrix, from row: Int, into index: Int, count: Int, compute: Compute) {
        guard isBF16 else {
            let target = buffer.bound(to: Float.self) + index * columns
            matrix.decode(row..<row + count, into: target, level: compute.level)
            return
        }
        let (source, keeper) = WeightSlab.halves(matrix, row..<row + count, compute: compute)
        let pairs = (rows + 1) / 2
        for pair in 0..<(count + 1) / 2 {
            let even = source.start + 2 * pair * source.stride
            nibble_interleave_bf16(
                even, 2 * pair + 1 < count ? even + source.stride : nil, columns, Self.width,
                pairs * Self.width, buffer.bound(to: UInt32.self) + (index / 2 + pair) * Self.width)
        }
        withExtendedLifetime(keeper) {}
    }

    /// x[column][token] (+)= Σ over rows of w[row][column] y[row][token] for the columns of a block.
    ///
    /// - Parameter x: a panel of all columns.
    func multiply(
        _ y: Operand, panel: Int, block: Int, into x: UnsafeMutablePointer<Float>, accumulates: Bool
    ) {
        multiply(
            y.tensor.panel(panel), pairs: y.pairs(panel: panel), width: y.tensor.layout.width, block: block,
            into: x, accumulates: accumulates)
    }

    /// The same for a panel `[rows][width]` and, in BF16, its packed pairs.
    func multiply(
        _ y: UnsafePointer<Float>, pairs: UnsafePointer<UInt32>?, width: Int, block: Int,
        into x: UnsafeMutablePointer<Float>, accumulates: Bool
    ) {
        let first = block * Self.width
        let count = min(Self.width, columns - first)
        let target = x + first * width
        if isBF16 {
            guard let pairs else { preconditionFailure("operand not packed in pairs") }
            let height = (rows + 1) / 2
            nibble_bf16_columns_product(
                buffer.bound(to: UInt32.self) + block * height * Self.width, Self.width, count, height, pairs,
                width, target, accumulates ? 1 : 0)
        } else {
            nibble_f32_columns_product(
                buffer.bound(to: Float.self) + first, columns, count, rows, y, width, target,
                accumulates ? 1 : 0, level)
        }
    }
}
