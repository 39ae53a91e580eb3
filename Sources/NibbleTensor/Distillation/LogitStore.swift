// @unchecked: threads fill different rows.
/// Logits of a few tokens over the whole vocabulary, `[panel][vocabulary][width]`, divided by a temperature.
final class LogitStore: @unchecked Sendable {
    let layout: PanelLayout
    let vocabularySize: Int
    let temperature: Float
    private let values: Buffer

    init(layout: PanelLayout, vocabularySize: Int, temperature: Float, pool: BufferPool) {
        self.layout = layout
        self.vocabularySize = vocabularySize
        self.temperature = temperature
        values = pool.take(bytes: Self.bytes(layout.panels * layout.width, vocabularySize))
    }

    /// Bytes for the logits of some tokens.
    static func bytes(_ tokens: Int, _ vocabularySize: Int) -> Int { tokens * vocabularySize * 4 }

    /// The logits of a panel from a row of the vocabulary on.
    func logits(panel: Int, row: Int) -> UnsafeMutablePointer<Float> {
        values.bound(to: Float.self) + (panel * vocabularySize + row) * layout.width
    }
}

/// A source whose logits pass into a store as they are computed.
struct RecordedSource: LogitSource {
    let source: VocabularyHead
    let store: LogitStore

    var layout: PanelLayout { source.layout }
    var vocabularySize: Int { source.vocabularySize }
    var sliceHeight: Int { source.sliceHeight }
    var isNormalized: Bool { false }

    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        let fill = source.slice(rows)
        return { panel, logits in
            fill(panel, logits)
            let count = rows.count * layout.width
            if store.temperature != 1 {
                let inverse = 1 / store.temperature
                for index in 0..<count { logits[index] *= inverse }
            }
            store.logits(panel: panel, row: rows.lowerBound).update(from: logits, count: count)
        }
    }
}

/// A store's logits, times a factor.
struct StoredSource: LogitSource {
    let store: LogitStore
    var factor: Float = 1

    var layout: PanelLayout { store.layout }
    var vocabularySize: Int { store.vocabularySize }
    var sliceHeight: Int { 48 }
    var isNormalized: Bool { false }

    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        { panel, logits in
            let source = store.logits(panel: panel, row: rows.lowerBound)
            for index in 0..<rows.count * layout.width { logits[index] = source[index] * factor }
        }
    }
}
