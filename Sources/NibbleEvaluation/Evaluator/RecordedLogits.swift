internal import NibbleCheckpoint
internal import NibbleTensor

/// The logits that a file recorded of the scored tokens of some chunks.
///
/// Probabilities that the file cannot tell from zero, of a logarithm of -16 and below, count as zero, as in
/// llama-perplexity.
struct RecordedLogits: LogitSource {
    let layout: PanelLayout
    let vocabularySize: Int
    let sliceHeight = 256
    let isNormalized = true
    // The codes live as long as the reader, which the evaluator holds.
    nonisolated(unsafe) private let records: [LogitsRecord]

    init(_ records: [LogitsRecord], layout: PanelLayout) {
        precondition(records.count == layout.length, "\(records.count) records for \(layout.length) tokens")
        self.records = records
        self.layout = layout
        vocabularySize = records[0].codes.count
    }

    func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        { panel, logits in
            for lane in 0..<layout.width {
                // Padding repeats the last token.
                let record = records[min(panel * layout.width + lane, records.count - 1)]
                for row in 0..<rows.count {
                    let value = record.scale * Float(record.codes[rows.lowerBound + row]) + record.minimum
                    logits[row * layout.width + lane] = value > -LogitsEncoding.range ? value : -.infinity
                }
            }
        }
    }

    /// -log p of a token, however small p is.
    func negativeLogLikelihood(token: Int, target: Int32) -> Double {
        -Double(records[token].logProbability(of: Int(target)))
    }
}
