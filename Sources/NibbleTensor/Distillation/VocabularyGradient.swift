internal import CKernels

/// The gradient of some tokens' final states: Σ over the vocabulary of logit gradients times the rows of the head.
///
/// Nearly all logit gradients are nearly nothing. Rows in which all tokens of a panel stay below a threshold are left
/// out; the others are collected until they fill a product.
final class VocabularyGradient {
    /// Rows that are collected before they are multiplied.
    private static let depth = 256
    /// Columns of the head that are multiplied at a time, as in ``TransposedWeights``.
    private static let block = 48

    private let head: Matrix
    private let width: Int
    private let compute: Compute
    private let thresholds: Buffer
    private let indices: Buffer
    /// `[depth][width]`
    private let collected: Buffer
    /// BF16: `[block][pair][48]` pairs. F32: `[depth][columns]`.
    private let weights: Buffer
    private let packed: Buffer
    private let target: UnsafeMutablePointer<Float>
    private var count = 0
    private var pending: (row: UnsafePointer<UInt16>, keeper: Buffer?)?
    private var blocks: Int { (head.columns + Self.block - 1) / Self.block }

    /// - Parameters:
    ///   - thresholds: of each token of the panel.
    ///   - target: the panel of the states' gradient, which is added to.
    init(
        head: Matrix, width: Int, thresholds: ArraySlice<Float>, target: UnsafeMutablePointer<Float>,
        rowsAtATime: Int, compute: Compute
    ) {
        self.head = head
        self.width = width
        self.compute = compute
        self.target = target
        let pool = compute.pool
        self.thresholds = pool.take(bytes: width * 4)
        indices = pool.take(bytes: rowsAtATime * 4)
        collected = pool.take(bytes: Self.depth * width * 4)
        packed = pool.take(bytes: Self.depth * width * 2)
        let columns = (head.columns + Self.block - 1) / Self.block * Self.block
        weights = pool.take(bytes: Self.depth * columns * (compute.hasBF16 ? 2 : 4))
        for (lane, value) in thresholds.enumerated() { self.thresholds.bound(to: Float.self)[lane] = value }
    }

    /// Adds rows of the head, with the gradients `[rows][width]` of their logits.
    func add(_ gradients: UnsafePointer<Float>, rows: Int, weights rowsOfHead: HeadRowsCache) {
        let list = indices.bound(to: UInt32.self)
        let kept = nibble_significant_rows(
            gradients, rows, width, thresholds.bound(to: Float.self), list, compute.levelNumber)
        for index in 0..<kept {
            let row = Int(list[index])
            (collected.bound(to: Float.self) + count * width).update(
                from: gradients + row * width, count: width)
            place(rowsOfHead, row: row)
            count += 1
            if count == Self.depth { flush() }
        }
    }

    /// Puts a row of the head beside those collected.
    private func place(_ source: HeadRowsCache, row: Int) {
        guard compute.hasBF16 else {
            (weights.bound(to: Float.self) + count * head.columns).update(
                from: source.floats(row), count: head.columns)
            return
        }
        let half = source.halves(row)
        guard count % 2 == 1, let even = pending else {
            pending = (half.row, half.keeper)
            return
        }
        interleave(even.row, half.row, pair: count / 2)
        pending = nil
    }

    private func interleave(_ even: UnsafePointer<UInt16>, _ odd: UnsafePointer<UInt16>?, pair: Int) {
        let stride = Self.depth / 2 * Self.block
        nibble_interleave_bf16(
            even, odd, head.columns, Self.block, stride,
            weights.bound(to: UInt32.self) + pair * Self.block)
    }

    /// Multiplies what was collected.
    func flush() {
        guard count > 0 else { return }
        let level = compute.levelNumber
        if compute.hasBF16 {
            if let even = pending { interleave(even.row, nil, pair: count / 2) }
            pending = nil
            let pairs = (count + 1) / 2
            nibble_pack_bf16_pairs(
                collected.bound(to: Float.self), count, width, packed.bound(to: UInt32.self))
            for block in 0..<blocks {
                let first = block * Self.block
                nibble_bf16_columns_product(
                    weights.bound(to: UInt32.self) + block * (Self.depth / 2) * Self.block, Self.block,
                    min(Self.block, head.columns - first), pairs, packed.bound(to: UInt32.self), width,
                    target + first * width, 1)
            }
        } else {
            nibble_f32_columns_product(
                weights.bound(to: Float.self), head.columns, head.columns, count,
                collected.bound(to: Float.self), width, target, 1, level)
        }
        count = 0
    }
}
