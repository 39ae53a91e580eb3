internal import CLibrary
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// A text on its way through the unquantized model, a block at a time, and the gradients of its cross-entropy on their way
/// back.
///
/// Between two blocks activations are in scratch files, so that memory holds some sequences.
struct GradientPass {
    /// The unquantized model.
    let reference: LanguageModel
    /// What is rounded later, for names in errors.
    let matrices: QuantizedMatrices
    /// The calibration text.
    let batches: SequenceBatches
    /// The residual streams before each block and after the last, `[layers + 1]` levels.
    let streams: StreamStore
    /// Their gradients: two levels in turn, or as many as of streams.
    let gradients: StreamStore
    /// Whether there are as many.
    let keepsGradients: Bool
    private var compute: Compute { reference.compute }
    /// Of equal length.
    var sequences: [[Int32]] { batches.sequences }

    /// Embeds all sequences.
    func embed() throws(CheckpointError) { try batches.embed(by: reference, into: streams) }

    /// Passes all sequences through a block.
    func advance(through layer: Int) throws(CheckpointError) {
        try batches.advance(
            through: layer, of: reference, matrices, streams, from: layer, to: layer + 1)
    }

    /// Takes the gradients of all sequences behind the last block.
    ///
    /// - Parameter head: where asked for, the input Hessian of the vocabulary head is added to it, zero before: Σ w h hᵀ over
    ///   the final states h, each with w = 1 - p of the token that follows. Where an error of one logit z costs
    ///   p (1 - p) / 2 of its square, that of all logits together costs the mean of w over what may follow.
    func differentiate(head: Memory? = nil) throws(CheckpointError) {
        let layers = reference.configuration.layerCount
        let unseen = Gradients(compute: compute)
        try batches.forEach { batch throws(CheckpointError) in
            // The same for a token whichever pass it is in.
            let share = Float(batch.count) / Float(sequences.count)
            guard
                let (_, gradient) = reference.crossEntropy(
                    of: Array(sequences[batch]), stream: try streams.read(level: layers, batch),
                    weight: share, into: unseen,
                    see: { states, losses in
                        guard let head else { return }
                        let weights = losses.map { 1 - exp(-$0) }
                        compute.addGram(of: states, weights: weights[...], to: head.floats)
                    })
            else { throw reference.nonFiniteHead.checkpointError }
            try gradients.write(gradient, level: level(layers), first: batch.lowerBound)
        }
    }

    /// Adds to `hessian` what errors of an embedding's rows do to the loss: Σ g gᵀ m / |g| over all tokens, g the gradient of the
    /// sum of their cross-entropies by the row and m the mean of |g|, as tokens weigh elsewhere (``OutputGradients``). For when
    /// the gradients passed the first block.
    ///
    /// - Parameter isCost: whether the sum has the size of Σ g gᵀ instead, for what errors cost in all.
    func addGradientsOfEmbedding(to hessian: Memory, isCost: Bool = false) throws(CheckpointError) {
        let tokens = sequences.count * (sequences[0].count - 1)
        // Gradients are those of the mean by the streams, which are rows times a factor.
        let factor = Float(tokens) * reference.configuration.embeddingScale
        var sizes: [Float] = []
        try batches.forEach(isTold: false) { batch throws(CheckpointError) in
            sizes += compute.squaresOfTokens(try gradients.read(level: level(0), batch)).map {
                $0.squareRoot()
            }
        }
        var mean = Float(sizes.reduce(0) { $0 + Double($1) } / Double(sizes.count))
        if isCost {
            // Σ |g|² by Σ m |g|.
            let squares = sizes.reduce(0) { $0 + Double($1) * Double($1) }
            mean = Float(squares / max(sizes.reduce(0) { $0 + Double($1) }, .leastNormalMagnitude))
        }
        var first = 0
        try batches.forEach(isTold: false) { batch throws(CheckpointError) in
            let gradient = try gradients.read(level: level(0), batch)
            let own = sizes[first..<first + gradient.layout.tokens]
            let weights = own.map { $0 > 0 ? factor * factor * mean / $0 : 0 }
            compute.addGram(of: gradient, weights: weights[...], to: hessian.floats)
            first += own.count
        }
    }

    /// Passes the gradients of all sequences back through a block.
    ///
    /// - Parameters:
    ///   - bands: the rows that each matrix whose outputs are looked at has output Hessians of.
    ///   - keeps: whether the gradients before the block are needed.
    /// - Returns: what is seen by the outputs of these matrices.
    func retreat(
        through layer: Int, bands: [TensorRole: [Range<Int>]], keeps: Bool = true
    ) throws(CheckpointError) -> [TensorRole: OutputGradients] {
        let block = reference.parameterizing(layer)
        let observed = ObservedGradients(bands, block.parameters, compute)
        let seen = Gradients(compute: compute) { observed.add($1, by: $0) }
        try batches.forEach { batch throws(CheckpointError) in
            let gradient = block.model.backpropagate(
                try gradients.read(level: level(layer + 1), batch), through: layer,
                from: try streams.read(level: layer, batch), into: seen)
            if keeps { try gradients.write(gradient, level: level(layer), first: batch.lowerBound) }
        }
        for gradients in observed.outputs.values { gradients.complete(compute) }
        return observed.outputs
    }

    /// Where the gradients before a block are.
    private func level(_ layer: Int) -> Int { keepsGradients ? layer : layer % 2 }
}

/// What gradients by the outputs of a block's matrices say, while they flow.
private final class ObservedGradients {
    private(set) var outputs: [TensorRole: OutputGradients] = [:]
    private let roles: [Parameter: TensorRole]
    private let compute: Compute

    init(_ bands: [TensorRole: [Range<Int>]], _ parameters: [TensorRole: Parameter], _ compute: Compute) {
        self.compute = compute
        roles = Dictionary(uniqueKeysWithValues: parameters.map { ($0.value, $0.key) })
        outputs = bands.mapValues { OutputGradients($0) }
    }

    func add(_ gradient: Tensor, by parameter: Parameter) {
        guard let role = roles[parameter] else { return }
        outputs[role]?.add(gradient, compute)
    }
}
