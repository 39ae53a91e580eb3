internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Sequences that pass through a model some at a time.
struct SequenceBatches {
    /// Of equal length.
    let sequences: [[Int32]]
    /// How many of them pass together.
    let atATime: Int
    /// Called after each batch with the share of the sequences that it was; throws where the work is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void

    /// Calls `body` with all batches.
    ///
    /// - Parameter isTold: whether that is told.
    func forEach(
        isTold: Bool = true, _ body: (Range<Int>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        for first in stride(from: 0, to: sequences.count, by: atATime) {
            let batch = first..<min(first + atATime, sequences.count)
            try body(batch)
            if isTold { try tick(Double(batch.count) / Double(sequences.count)) }
        }
    }

    /// Embeds all sequences.
    func embed(by model: LanguageModel, into streams: StreamStore) throws(CheckpointError) {
        try forEach { batch throws(CheckpointError) in
            let stream = try CheckpointError.of { () throws(ModelError) in
                try model.embed(Array(sequences[batch]))
            }
            try streams.write(stream, first: batch.lowerBound)
        }
    }

    /// Passes all sequences through a block, from one level of `streams` to another, or to the same.
    ///
    /// - Parameter matrices: what names in errors are of.
    func advance(
        through layer: Int, of model: LanguageModel, _ matrices: QuantizedMatrices, _ streams: StreamStore,
        from level: Int = 0, to next: Int = 0
    ) throws(CheckpointError) {
        try forEach { batch throws(CheckpointError) in
            let stream = model.advance(try streams.read(level: level, batch), through: layer)
            try matrices.check(stream, outOf: layer, of: model, sequence: batch.lowerBound) {
                () throws(CheckpointError) in try streams.read(level: level, batch)
            }
            try streams.write(stream, level: next, first: batch.lowerBound)
        }
    }
}
