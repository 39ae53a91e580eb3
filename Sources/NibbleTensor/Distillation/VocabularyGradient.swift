internal import CKernels

/// The gradient of some tokens' final states: Σ over the vocabulary of logit gradients times the rows of the head.
///
/// Nearly all logit gradients are nearly nothing. Rows in which all tokens of a panel stay below a threshold are left
/// out; the others are collected until they fill a product.
final class VocabularyGradient {
    /// Rows that are collected before they are multiplied.
    private static let depth = 256

    private let head: Matrix
    private let width: Int
    private let compute: Compute
    private let thresholds: Buffer
    private let indices: Buffer
    /// `[depth][width]`
    private let collected: Buffer
    /// The rows of the head that go with them, in BF16: `[depth][stride]`.
    private let rows: Buffer?
    private let stride: Int
    /// The same by columns.
    private let weights: WeightColumns
    private let packed: Buffer
    private let target: UnsafeMutablePointer<Float>
    private var count = 0

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
        stride = (head.columns + 1) / 2 * 2
        rows = compute.hasBF16 ? pool.take(bytes: Self.depth * stride * 2) : nil
        weights = WeightColumns(rows: Self.depth, columns: head.columns, compute: compute)
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
        if let rows {
            rows.bound(to: UInt16.self).advanced(by: count * stride).update(
                from: source.halves(row), count: head.columns)
        } else {
            weights.set(row: count, source.floats(row))
        }
    }

    /// Multiplies what was collected.
    func flush() {
        guard count > 0 else { return }
        let gradients = collected.bound(to: Float.self)
        let pairs = rows.map { _ in packed.bound(to: UInt32.self) }
        if let rows, let pairs {
            weights.set(first: 0, rows.bound(to: UInt16.self), stride: stride, count: count)
            nibble_pack_bf16_pairs(gradients, count, width, pairs)
        }
        for block in 0..<weights.blocks {
            weights.multiply(
                rows: count, gradients, pairs: pairs, width: width, block: block, into: target,
                accumulates: true)
        }
        count = 0
    }
}
