public import NibbleCheckpoint
public import NibbleTensor

/// Passes that go through a model half a block at a time, one sequence each.
extension LanguageModel {
    /// The residual stream of one sequence before the first block.
    public func embed(_ sequence: [Int32]) throws(ModelError) -> Tensor {
        let length = try check([sequence])
        return compute.embed(
            [sequence], embedding, scale: configuration.embeddingScale,
            layout: compute.layout(sequences: 1, length: length))
    }

    /// Passes a residual stream through one half of a block. `stream` is used up.
    public func advance(_ stream: Tensor, through half: BlockHalf, of layer: Int) -> Tensor {
        let block = blocks[layer]
        switch half {
        case .attention:
            let x = attentionInput(block, stream, tape: nil)
            return addAttention(
                block, attend(block, x, attention(of: stream), tape: nil), to: stream, tape: nil)
        case .feedForward:
            let x = feedForwardInput(block, stream, tape: nil)
            return addFeedForward(block, feedForward(block, x, tape: nil), to: stream, tape: nil)
        }
    }

    /// What flows into a matrix of a block.
    ///
    /// - Parameters:
    ///   - kind: that of a matrix in a block.
    ///   - stream: the residual stream before the half of the block that the matrix belongs to; it stays as it is.
    public func input(of kind: TensorRole.Kind, layer: Int, _ stream: Tensor) -> Tensor {
        let block = blocks[layer]
        switch kind {
        case .attentionQuery, .attentionKey, .attentionValue:
            return attentionInput(block, stream, tape: nil)
        case .attentionOutput:
            return attend(block, attentionInput(block, stream, tape: nil), attention(of: stream), tape: nil)
        case .feedForwardGate, .feedForwardUp:
            return feedForwardInput(block, stream, tape: nil)
        case .feedForwardDown:
            return feedForward(block, feedForwardInput(block, stream, tape: nil), tape: nil)
        case .tokenEmbedding, .outputNorm, .output, .ropeFrequencies, .attentionNorm, .attentionQueryNorm,
            .attentionKeyNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm:
            preconditionFailure("\(kind) is no matrix of a block")
        }
    }

    /// Attention within one sequence that is not continued.
    private func attention(of stream: Tensor) -> BlockAttention {
        let layout = stream.layout
        precondition(layout.sequences == 1, "\(layout.sequences) sequences")
        return BlockAttention(
            cache: cache(sequences: 1, positions: layout.length), place: .batch(first: 0, start: 0),
            angles: angles {
                compute.rotaryAngles(layout: layout, frequencies: $0, isInterleaved: isInterleaved)
            })
    }
}
