internal import NibbleCheckpoint
internal import NibbleModel

/// Held-out sequences on their way through the model whose weights are rounded to nearest, a block at a time.
struct NearestPass {
    /// The unquantized model.
    let reference: LanguageModel
    let matrices: QuantizedMatrices
    /// The held-out sequences.
    let batches: SequenceBatches
    /// Their residual streams.
    let streams: StreamStore

    /// Leaves in ``streams`` what comes out of the last block.
    func run() throws(CheckpointError) {
        try batches.embed(by: try matrices.roundVocabulary(of: reference), into: streams)
        for layer in 0..<reference.configuration.layerCount {
            try batches.advance(
                through: layer, of: try matrices.round(layer, of: reference), matrices, streams)
        }
    }
}
