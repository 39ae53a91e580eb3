internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Held-out sequences on their way through the model whose weights are rounded to nearest, a block at a time.
struct NearestPass {
    /// The unquantized model.
    let reference: LanguageModel
    let matrices: QuantizedMatrices
    /// Of equal length.
    let sequences: [[Int32]]
    /// How many of them pass together.
    let atATime: Int
    /// Their residual streams.
    let streams: StreamStore
    /// Called after each piece of work with the share of it that was done; throws where it is to end.
    let tick: (_ share: Double) throws(CheckpointError) -> Void

    /// Leaves in ``streams`` what comes out of the last block.
    func run() throws(CheckpointError) {
        let layers = reference.configuration.layerCount
        let model = try matrices.roundVocabulary(of: reference)
        try forEachBatch { batch throws(CheckpointError) in
            let stream = try CheckpointError.of { () throws(ModelError) in
                try model.embed(Array(sequences[batch]))
            }
            try streams.write(stream, first: batch.lowerBound)
        }
        for layer in 0..<layers {
            let block = try matrices.round(layer, of: reference)
            try forEachBatch { batch throws(CheckpointError) in
                let stream = block.advance(try streams.read(batch), through: layer)
                try matrices.check(stream, outOf: layer, of: block, sequence: batch.lowerBound) {
                    () throws(CheckpointError) in try streams.read(batch)
                }
                try streams.write(stream, first: batch.lowerBound)
                try tick(Double(batch.count) / Double(sequences.count * layers))
            }
        }
    }

    private func forEachBatch(_ body: (Range<Int>) throws(CheckpointError) -> Void) throws(CheckpointError) {
        for first in stride(from: 0, to: sequences.count, by: atATime) {
            try body(first..<min(first + atATime, sequences.count))
        }
    }
}
