internal import NibbleCheckpoint
public import NibbleTensor

/// Passes that go through a model a sublayer at a time, one sequence each.
extension LanguageModel {
    /// The residual stream of one sequence before the first block.
    public func embed(_ sequence: [Int32]) throws(ModelError) -> Tensor {
        let length = try check([sequence])
        return compute.embed(
            [sequence], embedding, scale: configuration.embeddingScale,
            layout: compute.layout(sequences: 1, length: length))
    }

    /// Passes a residual stream through a sublayer. `stream` is used up.
    public func advance(_ stream: Tensor, through sublayer: Sublayer, of layer: Int) -> Tensor {
        apply(sublayer, of: blocks[layer], to: stream, attention(of: stream))
    }

    /// The same where the input of the sublayer's last matrix is known.
    public func add(_ input: Tensor, through sublayer: Sublayer, of layer: Int, to stream: Tensor) -> Tensor {
        add(input, through: sublayer, of: blocks[layer], to: stream, tape: nil)
    }

    /// The input of some matrices of a block.
    ///
    /// - Parameter stream: the residual stream before the sublayer that the matrices belong to; it stays as it is.
    public func input(of group: Sublayer.InputGroup, layer: Int, _ stream: Tensor) -> Tensor {
        let block = blocks[layer]
        let normed = normalize(stream, block.norm(of: group.sublayer), tape: nil)
        guard group.isLast else { return normed }
        return inner(group.sublayer, of: block, normed, attention(of: stream), tape: nil)
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
