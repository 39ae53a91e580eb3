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
        add(input(of: half.last, layer: layer, stream), through: half, of: layer, to: stream)
    }

    /// The same where what flows into the last matrix of the half is known: `input(of: half.last, layer: layer, stream)`.
    public func add(_ input: Tensor, through half: BlockHalf, of layer: Int, to stream: Tensor) -> Tensor {
        add(input, through: half, of: blocks[layer], to: stream, tape: nil)
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
            return normalize(stream, block.attentionNorm, tape: nil)
        case .attentionOutput:
            let x = normalize(stream, block.attentionNorm, tape: nil)
            return attend(block, x, attention(of: stream), tape: nil)
        case .feedForwardGate, .feedForwardUp:
            return normalize(stream, block.feedForwardNorm, tape: nil)
        case .feedForwardDown:
            return feedForward(block, normalize(stream, block.feedForwardNorm, tape: nil), tape: nil)
        case .tokenEmbedding, .outputNorm, .output, .ropeFrequencies, .ropeLongFactors, .ropeShortFactors,
            .attentionNorm, .attentionQueryNorm, .attentionKeyNorm, .attentionPostNorm, .feedForwardNorm,
            .feedForwardPostNorm:
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
