internal import CKernels

/// The gradients of causal attention: softmax(q k) v for every head.
///
/// With p = softmax(s), s = q k: dp = do v, ds = p (dp - Σ p dp), dq = Σ ds k, dk = Σ ds q, dv = Σ p do. Scores are
/// computed again, those of a layer held until keys and values have their gradients.
struct AttentionBackward {
    private let query: Tensor
    private let layout: PanelLayout
    private let head: Int
    private let heads: Int
    private let keyHeads: Int
    private let window: Int?
    private let compute: Compute
    /// Keys as rows for scores and as columns for dq; values as rows.
    private let keyRows: HeadRows
    private let valueRows: HeadRows
    private let key: Tensor

    init(query: Tensor, key: Tensor, value: Tensor, head: Int, window: Int?, compute: Compute) {
        self.query = query
        self.key = key
        self.head = head
        self.window = window
        self.compute = compute
        layout = query.layout
        heads = query.features / head
        keyHeads = key.features / head
        keyRows = HeadRows(key, head: head, compute: compute)
        valueRows = HeadRows(value, head: head, compute: compute)
    }

    /// Gradients of query, key and value, given that of the result.
    func run(_ gradient: Tensor) -> (query: Tensor, key: Tensor, value: Tensor) {
        let dq = compute.tensor(features: query.features, layout: layout)
        let (panels, width) = (layout.panels, layout.width)
        // Of every panel and head `[keys][width]` probabilities, then as many gradients of scores.
        let scores = (0..<panels).map { panel in
            compute.pool.take(bytes: heads * 2 * keys(of: panel).count * width * 4)
        }
        compute.workers.forEach(panels * heads) { job in
            let (panel, index) = (panels - 1 - job / heads, job % heads)
            differentiateScores(panel, index, gradient, scores[panel], dq)
        }
        let queryRows = HeadRows(query, head: head, compute: compute)
        let gradientRows = HeadRows(gradient, head: head, compute: compute)
        let dk = compute.tensor(features: key.features, layout: layout)
        let dv = compute.tensor(features: key.features, layout: layout)
        compute.workers.forEach(panels * keyHeads) { job in
            let (panel, index) = (job / keyHeads, job % keyHeads)
            sum(panel, index, queryRows, scores, offset: 1, into: dk)
            sum(panel, index, gradientRows, scores, offset: 0, into: dv)
        }
        return (dq, dk, dv)
    }

    /// Positions of the keys that the queries of a panel see.
    private func keys(of panel: Int) -> Range<Int> {
        let index = panel % layout.panelsPerSequence
        let last = min((index + 1) * layout.width, layout.length)
        return max(0, window.map { index * layout.width - $0 + 1 } ?? 0)..<last
    }

    /// The place of probabilities (`offset` 0) or gradients of scores (1) of a head in the buffer of its panel.
    private func place(_ buffer: Buffer, _ panel: Int, _ index: Int, offset: Int) -> UnsafeMutablePointer<
        Float
    > {
        buffer.bound(to: Float.self) + (2 * index + offset) * keys(of: panel).count * layout.width
    }

    private func differentiateScores(
        _ panel: Int, _ index: Int, _ gradient: Tensor, _ buffer: Buffer, _ dq: Tensor
    ) {
        let (width, level) = (layout.width, compute.levelNumber)
        let visible = keys(of: panel)
        let keyHead = index * keyHeads / heads
        let sequence = panel / layout.panelsPerSequence
        let p = place(buffer, panel, index, offset: 0)
        let ds = place(buffer, panel, index, offset: 1)
        let sums = compute.pool.take(bytes: width * 4)
        let inverse = sums.bound(to: Float.self)
        let k = keyRows.rows(sequence: sequence, head: keyHead, position: visible.lowerBound)
        let v = valueRows.rows(sequence: sequence, head: keyHead, position: visible.lowerBound)
        let offset = index * head * width
        nibble_f32_product(
            k, keyRows.stride, visible.count, head, query.panel(panel) + offset, width, p, level)
        let first = panel % layout.panelsPerSequence * width
        nibble_attention_softmax(
            p, visible.count, width, Int64(visible.lowerBound), Int64(first), Int64(window ?? 0), inverse,
            level)
        nibble_scale_lanes(p, inverse, visible.count, width, level)
        nibble_f32_product(
            v, valueRows.stride, visible.count, head, gradient.panel(panel) + offset, width, ds, level)
        nibble_softmax_backward(p, ds, visible.count, width, level)
        nibble_f32_columns_product(
            k, keyRows.stride, head, visible.count, ds, width, dq.panel(panel) + offset, 0, level)
    }

    /// target = Σ over the queries that see a panel's keys of their scores times `rows`.
    private func sum(
        _ panel: Int, _ index: Int, _ rows: HeadRows, _ scores: [Buffer], offset: Int, into target: Tensor
    ) {
        let (width, level) = (layout.width, compute.levelNumber)
        let first = panel % layout.panelsPerSequence * width
        let sequence = panel / layout.panelsPerSequence
        let positions = first..<min(first + width, layout.length)
        // `[key][feature]`
        let buffer = compute.pool.take(bytes: width * rows.stride * 4)
        let sums = buffer.bound(to: Float.self)
        sums.update(repeating: 0, count: width * rows.stride)
        let group = heads / keyHeads
        for queries in panel..<(sequence + 1) * layout.panelsPerSequence {
            let visible = keys(of: queries)
            let seen = positions.clamped(to: visible)
            guard !seen.isEmpty else { continue }
            let start = queries % layout.panelsPerSequence * width
            let count = min(width, layout.length - start)
            for member in index * group..<(index + 1) * group {
                let s = place(scores[queries], queries, member, offset: offset)
                nibble_f32_rows_product(
                    s + (seen.lowerBound - visible.lowerBound) * width, width, seen.count, count,
                    rows.rows(sequence: sequence, head: member, position: start), rows.stride,
                    sums + (seen.lowerBound - first) * rows.stride, rows.stride, 1, level)
            }
        }
        let result = target.panel(panel) + index * head * width
        nibble_transpose(sums, width, rows.stride, head, result, width, level)
    }
}

/// The heads of a tensor with the features of a token side by side: `[sequence][head][position][stride]`.
private struct HeadRows {
    /// From a token to the next: the width of a head, rounded up to whole vectors.
    let stride: Int
    private let heads: Int
    private let length: Int
    private let buffer: Buffer

    init(_ x: Tensor, head: Int, compute: Compute) {
        stride = (head + 15) / 16 * 16
        heads = x.features / head
        let layout = x.layout
        length = layout.length
        buffer = compute.pool.take(bytes: layout.sequences * heads * length * stride * 4)
        compute.workers.forEach(layout.panels * heads) { [self] job in
            let (panel, index) = (job / heads, job % heads)
            let first = panel % layout.panelsPerSequence * layout.width
            let count = min(layout.width, length - first)
            let target = rows(
                sequence: panel / layout.panelsPerSequence, head: index, position: first)
            let source = x.panel(panel) + index * head * layout.width
            if stride > head { target.update(repeating: 0, count: count * stride) }
            nibble_transpose(source, head, layout.width, count, target, stride, compute.levelNumber)
        }
    }

    func rows(sequence: Int, head: Int, position: Int) -> UnsafeMutablePointer<Float> {
        buffer.bound(to: Float.self) + ((sequence * heads + head) * length + position) * stride
    }
}
