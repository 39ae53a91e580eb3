internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// The products of all pairs of features of what flows into each matrix of a block, Σ x xᵀ over the tokens of some text:
/// how errors of a row's weights work together. Each token weighs as much as an error there matters.
///
/// Without such weights matrices with the same input share one.
struct InputProducts {
    /// `[columns][columns]` by what the matrix is for.
    let products: [TensorRole: Memory]

    /// Passes residual streams through a block of `model`, and puts what comes out in their place.
    ///
    /// - Parameter importance: of the tokens of all streams; nil: all weigh the same.
    init(
        _ model: LanguageModel, layer: Int, streams: inout [Tensor], importance: TokenImportance? = nil
    ) {
        var products: [TensorRole: Memory] = [:]
        for index in streams.indices {
            // What the last matrix saw: the next one may have the same input.
            var last: (input: Tensor, role: TensorRole)?
            streams[index] = model.advance(
                streams[index], through: layer,
                observe: { kind, layer, x in
                    let role = TensorRole(kind, layer: layer)
                    let weights = importance?.weights[role]
                    if weights == nil, let last, last.input === x {
                        products[role] = products[last.role]
                        return
                    }
                    let memory = products[role] ?? Memory(byteCount: x.features * x.features * 4)
                    products[role] = memory
                    let tokens = x.layout.tokens
                    let own = weights?[index * tokens..<(index + 1) * tokens]
                    model.compute.addGram(of: x, weights: own, to: memory.floats)
                    last = (x, role)
                })
        }
        self.products = products
    }
}
