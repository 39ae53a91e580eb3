internal import CKernels

extension Compute {
    /// Calls `body` for all logits of a source in pieces: some rows of the vocabulary, a panel, and
    /// `[rows][width]` logits; from several threads at once.
    ///
    /// - Parameter height: rows of a piece at most.
    public func forEachPiece(
        of source: any LogitSource, height: Int,
        _ body: (_ rows: Range<Int>, _ panel: Int, _ logits: UnsafePointer<Float>) -> Void
    ) {
        let pieces = (source.vocabularySize + height - 1) / height
        let (panels, width) = (source.layout.panels, source.layout.width)
        workers.forEach(pieces) { piece in
            let rows = piece * height..<min((piece + 1) * height, source.vocabularySize)
            let buffer = pool.take(bytes: panels * rows.count * width * 4)
            let logits = buffer.bound(to: Float.self)
            for first in stride(from: rows.lowerBound, to: rows.upperBound, by: source.sliceHeight) {
                let fill = source.slice(first..<min(first + source.sliceHeight, rows.upperBound))
                for panel in 0..<panels {
                    fill(panel, logits + (panel * rows.count + first - rows.lowerBound) * width)
                }
            }
            for panel in 0..<panels { body(rows, panel, logits + panel * rows.count * width) }
        }
    }

    /// The smallest logit of every token.
    public func minima(of source: any LogitSource) -> [Float] {
        let (width, lanes) = (source.layout.width, source.layout.panels * source.layout.width)
        let height = max(
            source.sliceHeight,
            (source.vocabularySize + VocabularySums.segments - 1) / VocabularySums.segments)
        let pieces = (source.vocabularySize + height - 1) / height
        let buffer = pool.take(bytes: pieces * lanes * 4)
        let minima = buffer.bound(to: Float.self)
        minima.update(repeating: .infinity, count: pieces * lanes)
        forEachPiece(of: source, height: height) { rows, panel, logits in
            let target = minima + rows.lowerBound / height * lanes + panel * width
            nibble_lower_minimum(logits, rows.count, width, target, levelNumber)
        }
        return (0..<source.layout.length).map { token in
            (0..<pieces).reduce(Float.infinity) { min($0, minima[$1 * lanes + token]) }
        }
    }
}
