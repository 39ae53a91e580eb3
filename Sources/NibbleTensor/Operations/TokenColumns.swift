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

    /// target[row][feature] (+)= Σ over tokens of rows · columns, for some rows and the features of some groups.
    ///
    /// - Parameters:
    ///   - range: at most ``mostRows`` rows.
    ///   - target: `[row][features]`, from row 0 on.
    func multiply(
        _ rows: TokenRows, rows range: Range<Int>, groups: Range<Int>,
        into target: UnsafeMutablePointer<Float>, accumulates: Bool
    ) {
        let start = target + range.lowerBound * features
        let whole = groups.lowerBound..<max(groups.lowerBound, min(groups.upperBound, features / Self.width))
        for first in stride(from: whole.lowerBound, to: whole.upperBound, by: Self.groupsAtATime) {
            let own = first..<min(first + Self.groupsAtATime, whole.upperBound)
            product(
                rows, range, own, into: start + first * Self.width, stride: features, accumulates: accumulates
            )
        }
        guard groups.upperBound > whole.upperBound, groups.upperBound > groups.lowerBound else { return }
        addLast(rows, range, into: start + whole.upperBound * Self.width, accumulates: accumulates)
    }

    /// The group that is not full.
    private func addLast(
        _ rows: TokenRows, _ range: Range<Int>, into start: UnsafeMutablePointer<Float>, accumulates: Bool
    ) {
        let group = groups - 1
        let buffer = pool.take(bytes: range.count * Self.width * 4)
        let values = buffer.bound(to: Float.self)
        product(rows, range, group..<groups, into: values, stride: Self.width, accumulates: false)
        for row in 0..<range.count {
            for feature in 0..<features - group * Self.width {
                let value = values[row * Self.width + feature]
                start[row * features + feature] =
                    accumulates ? start[row * features + feature] + value : value
            }
        }
    }

    /// Rows that are multiplied at a time, at most.
    static let mostRows = 96
    /// Groups that meet some tokens of all rows before the next tokens: what is summed stays in the second cache.
    private static let groupsAtATime = 16

    /// Groups side by side in the target.
    private func product(
        _ rows: TokenRows, _ range: Range<Int>, _ groups: Range<Int>,
        into target: UnsafeMutablePointer<Float>,
        stride: Int, accumulates: Bool
    ) {
        let tokens = layout.panels * layout.width
        if let pairs = rows.pairs(range.lowerBound) {
            let multiply = hasTiles ? nibble_bf16_tiles_product : nibble_bf16_rows_product
            for group in groups {
                multiply(
                    pairs.start, pairs.stride, range.count, tokens / 2,
                    buffer.bound(to: UInt32.self) + group * tokens / 2 * Self.width, Self.width,
                    target + (group - groups.lowerBound) * Self.width, stride, accumulates ? 1 : 0)
            }
            return
        }
        let panelsAtATime = max(1, FloatProduct.depthAtATime / layout.width)
        let tileStride = panelsAtATime * layout.width + FloatProduct.rowGap
        let copy = pool.take(bytes: range.count * tileStride * 4)
        let tile = copy.bound(to: Float.self)
        for first in Swift.stride(from: 0, to: layout.panels, by: panelsAtATime) {
            let panels = first..<min(first + panelsAtATime, layout.panels)
            for panel in panels {
                let source = rows.tokens(range.lowerBound, panel: panel)
                for row in 0..<range.count {
                    (tile + row * tileStride + (panel - first) * layout.width).update(
                        from: source + row * layout.width, count: layout.width)
                }
            }
            for group in groups {
                nibble_f32_rows_product(
                    tile, tileStride, range.count, panels.count * layout.width,
                    buffer.bound(to: Float.self) + (group * tokens + first * layout.width) * Self.width,
                    Self.width,
                    target + (group - groups.lowerBound) * Self.width, stride,
                    accumulates || first > 0 ? 1 : 0, level)
            }
        }
    }
}
