package import NibbleCheckpoint
public import NibbleTensor

/// Passes that go through a model a part at a time: sequences of equal length that begin at position 0 and are not
/// continued.
extension LanguageModel {
    /// The residual stream of one sequence before the first block.
    public func embed(_ sequence: [Int32]) throws(ModelError) -> Tensor { try embed([sequence]) }

    /// The residual stream of some sequences before the first block.
    package func embed(_ sequences: [[Int32]]) throws(ModelError) -> Tensor {
        let length = try check(sequences)
        return compute.embed(
            sequences, embedding, scale: configuration.embeddingScale,
            layout: compute.layout(sequences: sequences.count, length: length))
    }

    /// Passes a residual stream through a sublayer. `stream` is used up.
    public func advance(_ stream: Tensor, through sublayer: Sublayer, of layer: Int) -> Tensor {
        apply(sublayer, of: blocks[layer], to: stream, attention(of: stream))
    }

    /// Passes a residual stream through a whole block. `stream` is used up.
    package func advance(_ stream: Tensor, through layer: Int) -> Tensor {
        apply(blocks[layer], to: stream, attention(of: stream), tape: nil)
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

    /// The gradient of the residual stream before a block, given that of the stream after it.
    ///
    /// - Parameters:
    ///   - gradient: it is used up; zero in padding.
    ///   - stream: the residual stream before the block.
    ///   - gradients: sees those of the block's parameters.
    package func backpropagate(
        _ gradient: Tensor, through layer: Int, from stream: Tensor, into gradients: Gradients
    ) -> Tensor {
        let tape = Tape(compute)
        let output = apply(blocks[layer], to: stream, attention(of: stream), tape: tape)
        guard let result = tape.backpropagate([(output, gradient)], to: [stream], into: gradients)[0] else {
            preconditionFailure("a block adds to its stream, whose gradient reaches it")
        }
        return result
    }

    /// Attention within sequences that are not continued.
    private func attention(of stream: Tensor) -> BlockAttention {
        let layout = stream.layout
        return BlockAttention(
            cache: cache(sequences: layout.sequences, positions: layout.length),
            place: .batch(first: 0, start: 0),
            angles: angles(layout))
    }

    /// The same model with other matrices in some places.
    ///
    /// - Parameter matrices: of the shapes of those that they replace. Where the head is tied, it changes with the
    ///   embedding.
    package func replacing(_ matrices: [TensorRole: Matrix]) -> LanguageModel {
        LanguageModel(self, matrices: matrices)
    }

    /// The same model with the matrices of a block as parameters.
    ///
    /// - Returns: what gradients by the outputs of these matrices are keyed by, too.
    package func parameterizing(
        _ layer: Int
    ) -> (model: LanguageModel, parameters: [TensorRole: Parameter]) {
        let kinds = Sublayer.inputGroups.flatMap(\.kinds)
        let matrices = kinds.map { kind in
            let (role, matrix) = (TensorRole(kind, layer: layer), blocks[layer][matrix: kind])
            let parameter = Parameter(name: "\(role)", count: matrix.rows * matrix.columns)
            return (role, matrix.with(parameter))
        }
        let own = Dictionary(uniqueKeysWithValues: matrices)
        return (replacing(own), own.compactMapValues(\.parameter))
    }
}
