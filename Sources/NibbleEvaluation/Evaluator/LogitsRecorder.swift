internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor
internal import Synchronization

/// Writes the logits of a model's scored tokens to a file as they are computed.
final class LogitsRecorder: Sendable {
    private let writer: LogitsFileWriter
    private let scoredPerChunk: Int

    /// Tokens of the vocabulary that are encoded at a time: 8 kB of a record, so that a call for each costs little.
    private static let piece = 4096

    init(path: String, plan: ChunkPlan, model: LanguageModel, replacing: Bool) throws(CheckpointError) {
        writer = try LogitsFileWriter(
            path: path, plan: plan, vocabularySize: model.vocabularySize, replacing: replacing)
        scoredPerChunk = plan.scored.count
    }

    /// Writes the records of some chunks, whose scored tokens lie side by side in `source`.
    func write(
        _ source: any LogitSource, sums: VocabularySums, chunks: Range<Int>, compute: Compute
    ) throws(CheckpointError) {
        let minima = compute.minima(of: source)
        var encodings: [LogitsEncoding] = []
        for token in 0..<source.layout.length {
            let maximum = sums.maximum(source: 0, token: token)
            let sum = sums.sumOfExponentials(source: 0, token: token)
            do throws(EvaluationError) {
                encodings.append(
                    try LogitsEncoding(largest: maximum, smallest: minima[token], sumOfExponentials: sum))
            } catch {
                throw error.checkpointError(path: "token \(token) of chunk \(chunks.lowerBound)")
            }
            let encoding = encodings[token]
            try writer.setParameters(
                chunk: chunks.lowerBound + token / scoredPerChunk, index: token % scoredPerChunk,
                scale: encoding.scale, minimum: encoding.minimum)
        }
        let failure = Mutex<CheckpointError?>(nil)
        compute.forEachPiece(of: source, height: Self.piece) { rows, panel, logits in
            guard failure.withLock({ $0 == nil }) else { return }
            do throws(CheckpointError) {
                try write(rows, panel, logits, source.layout, encodings, chunks)
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func write(
        _ rows: Range<Int>, _ panel: Int, _ logits: UnsafePointer<Float>, _ layout: PanelLayout,
        _ encodings: [LogitsEncoding], _ chunks: Range<Int>
    ) throws(CheckpointError) {
        var column = [Float](repeating: 0, count: rows.count)
        var codes = [UInt16](repeating: 0, count: rows.count)
        for lane in 0..<min(layout.width, layout.length - panel * layout.width) {
            let token = panel * layout.width + lane
            for row in 0..<rows.count { column[row] = logits[row * layout.width + lane] }
            column.withUnsafeBufferPointer { column in
                codes.withUnsafeMutableBufferPointer { encodings[token].encode(column, into: $0) }
            }
            let (chunk, index) = (chunks.lowerBound + token / scoredPerChunk, token % scoredPerChunk)
            try codes.withUnsafeBufferPointer { codes throws(CheckpointError) in
                try writer.writeCodes(chunk: chunk, index: index, firstToken: rows.lowerBound, codes: codes)
            }
        }
    }

    func commit() throws(CheckpointError) { try writer.commit() }

    func abort() { writer.abort() }
}
