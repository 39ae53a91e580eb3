// @unchecked: threads fill different rows.
/// Logits of a few tokens over the whole vocabulary, `[panel][vocabulary][width]`.
final class LogitStore: @unchecked Sendable {
    let layout: PanelLayout
    let vocabularySize: Int
    private let values: Buffer

    /// - Parameter panels: memory is taken for so many, so that the last slice of a batch, which may be smaller, is served by
    ///   that of the others.
    init(layout: PanelLayout, vocabularySize: Int, panels: Int, pool: BufferPool) {
        self.layout = layout
        self.vocabularySize = vocabularySize
        values = pool.take(bytes: Self.bytes(max(panels, layout.panels) * layout.width, vocabularySize))
    }

    /// Bytes for the logits of some tokens.
    static func bytes(_ tokens: Int, _ vocabularySize: Int) -> Int { tokens * vocabularySize * 4 }

    /// The logits of a panel from a row of the vocabulary on.
    func logits(panel: Int, row: Int) -> UnsafeMutablePointer<Float> {
        values.bound(to: Float.self) + (panel * vocabularySize + row) * layout.width
    }
}
