/// The logits of a model for a few tokens, which distillation needs twice: for their sums, then for their gradient.
///
/// They are kept as they are computed first where products are dear, and computed again where those cost less than the
/// way to memory and back.
struct DistillationLogits {
    private let head: VocabularyHead
    /// What they are divided by.
    private let temperature: Float
    private let store: LogitStore?
    private let compute: Compute

    /// - Parameter keptPanels: they are kept, in memory for so many panels; nil: they are computed again.
    init(_ head: VocabularyHead, temperature: Float, keptPanels: Int?, compute: Compute) {
        self.head = head
        self.temperature = temperature
        self.compute = compute
        store = keptPanels.map {
            LogitStore(
                layout: head.layout, vocabularySize: head.vocabularySize, panels: $0, pool: compute.pool)
        }
    }

    /// What is walked over first, and kept on the way.
    var first: any LogitSource { DividedLogits(source: head, temperature: temperature, store: store) }

    /// The same once more, times a factor.
    func again(times factor: Float = 1) -> any LogitSource {
        if let store { return StoredLogits(store: store, factor: factor) }
        return DividedLogits(source: head, temperature: temperature / factor, store: nil)
    }

    /// Logits of some rows once more: a function from a panel to `[rows][width]`, valid until its next call.
    func rows(_ rows: Range<Int>) -> (_ panel: Int) -> UnsafeMutablePointer<Float> {
        if let store { return { store.logits(panel: $0, row: rows.lowerBound) } }
        let fill = first.slice(rows)
        let buffer = compute.pool.take(bytes: rows.count * head.layout.width * 4)
        return { panel in
            let logits = buffer.bound(to: Float.self)
            fill(panel, logits)
            return logits
        }
    }

    /// Kept logits of a token.
    /// - Precondition: they are kept.
    func kept(token: Int, ids: ArraySlice<Int32>) -> [Float] {
        guard let store else { preconditionFailure("logits were not kept") }
        let (panel, lane) = head.layout.place(sequence: 0, position: token)
        let column = store.logits(panel: panel, row: 0) + lane
        return ids.map { column[Int($0) * head.layout.width] }
    }
}

/// A head's logits divided by a temperature, into a store where there is one.
struct DividedLogits: LogitSource {
    let source: VocabularyHead
    let temperature: Float
    let store: LogitStore?

    var layout: PanelLayout { source.layout }
    var vocabularySize: Int { source.vocabularySize }
    var sliceHeight: Int { source.sliceHeight }
    var isNormalized: Bool { false }

    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        let fill = source.slice(rows)
        guard temperature != 1 else { return fill }
        return { panel, logits in
            fill(panel, logits)
            let inverse = 1 / temperature
            for index in 0..<rows.count * layout.width { logits[index] *= inverse }
        }
    }

    func place(panel: Int, row: Int) -> UnsafeMutablePointer<Float>? { store?.logits(panel: panel, row: row) }
}

/// A store's logits, times a factor.
private struct StoredLogits: LogitSource {
    let store: LogitStore
    let factor: Float

    var layout: PanelLayout { store.layout }
    var vocabularySize: Int { store.vocabularySize }
    var sliceHeight: Int { WeightSlab.height }
    var isNormalized: Bool { false }

    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        { panel, logits in
            let source = store.logits(panel: panel, row: rows.lowerBound)
            for index in 0..<rows.count * layout.width { logits[index] = source[index] * factor }
        }
    }
}
