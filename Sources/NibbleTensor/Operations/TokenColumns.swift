internal import CKernels

/// A tensor with the features of a token side by side, in groups of 32: what ``TokenRows`` are multiplied with.
struct TokenColumns {
    /// Features of a group.
    static let width = 32
    /// Groups of features.
    let groups: Int
    private let features: Int
    private let layout: PanelLayout
    private let level: Int32
    private let pool: BufferPool
    private let isBF16: Bool
    private let hasTiles: Bool
    /// BF16: `[group][pair of tokens][32]` pairs. F32: `[group][token][32]`.
    private let buffer: Buffer

    init(_ tensor: Tensor, compute: Compute) {
        features = tensor.features
        layout = tensor.layout
        level = compute.levelNumber
        pool = compute.pool
        isBF16 = compute.hasBF16
        hasTiles = compute.hasTiles
        groups = (features + 31) / 32
        let tokens = layout.panels * layout.width
        buffer = pool.take(bytes: groups * 32 * tokens * (isBF16 ? 2 : 4))
        compute.workers.forEach(layout.panels) { panel in pack(tensor, panel) }
    }

    private func pack(_ tensor: Tensor, _ panel: Int) {
        let (width, tokens) = (layout.width, layout.panels * layout.width)
        if isBF16 {
            nibble_pack_bf16_transposed(
                tensor.panel(panel), features, width,
                buffer.bound(to: UInt32.self) + panel * width / 2 * 32, tokens / 2 * 32)
            return
        }
        for group in 0..<groups {
            let target = buffer.bound(to: Float.self) + (group * tokens + panel * width) * 32
            let count = min(32, features - group * 32)
            if count < 32 { target.update(repeating: 0, count: 32 * width) }
            let source = tensor.panel(panel) + group * 32 * width
            nibble_transpose(source, count, width, width, target, 32, level)
        }
    }

    /// target[row][feature] (+)= Σ over tokens of rows · columns, for some rows and the features of a group.
    ///
    /// - Parameter target: `[row][features]`, from row 0 on.
    func multiply(
        _ rows: TokenRows, rows range: Range<Int>, group: Int, into target: UnsafeMutablePointer<Float>,
        accumulates: Bool
    ) {
        let count = min(32, features - group * 32)
        let start = target + range.lowerBound * features + group * 32
        guard count < 32 else {
            return product(rows, range, group, into: start, stride: features, accumulates: accumulates)
        }
        let whole = pool.take(bytes: range.count * 32 * 4)
        let values = whole.bound(to: Float.self)
        product(rows, range, group, into: values, stride: 32, accumulates: false)
        for row in 0..<range.count {
            for feature in 0..<count {
                let value = values[row * 32 + feature]
                start[row * features + feature] =
                    accumulates ? start[row * features + feature] + value : value
            }
        }
    }

    private func product(
        _ rows: TokenRows, _ range: Range<Int>, _ group: Int, into target: UnsafeMutablePointer<Float>,
        stride: Int, accumulates: Bool
    ) {
        let tokens = layout.panels * layout.width
        if let pairs = rows.pairs(range.lowerBound) {
            let multiply = hasTiles ? nibble_bf16_tiles_product : nibble_bf16_rows_product
            multiply(
                pairs.start, pairs.stride, range.count, tokens / 2,
                buffer.bound(to: UInt32.self) + group * tokens / 2 * 32, 32, target, stride,
                accumulates ? 1 : 0)
            return
        }
        for panel in 0..<layout.panels {
            nibble_f32_rows_product(
                rows.tokens(range.lowerBound, panel: panel), layout.width, range.count, layout.width,
                buffer.bound(to: Float.self) + (group * tokens + panel * layout.width) * 32, 32, target,
                stride, accumulates || panel > 0 ? 1 : 0, level)
        }
    }
}
