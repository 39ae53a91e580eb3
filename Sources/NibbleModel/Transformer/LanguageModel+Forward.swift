internal import NibbleCheckpoint
internal import NibbleTensor

/// What a forward pass knows of the sequences before its batch.
struct PassContext {
    /// Position of the first token of every sequence.
    var start = 0
    /// Keys and values of all layers, for passes that continue; nil where each layer may forget them.
    var caches: [KeyValueCache]?
    /// Called with the residual stream after the embedding (layer -1) and after each block.
    var inspect: ((_ layer: Int, Tensor) throws(ModelError) -> Void)?
}

extension LanguageModel {
    /// The residual stream after the last block, for sequences of equal length.
    func residual(_ sequences: [[Int32]], _ context: PassContext = PassContext()) throws(ModelError) -> Tensor
    {
        try check(sequences)
        let layout = compute.layout(sequences: sequences.count, length: sequences[0].count)
        let stream = embed(sequences, layout: layout)
        try context.inspect?(-1, stream)
        let angles = angles(layout, start: context.start)
        // Without a later pass one cache serves all layers in turn.
        let shared =
            context.caches == nil
            ? cache(sequences: sequences.count, positions: context.start + layout.length) : nil
        for (layer, block) in blocks.enumerated() {
            guard let cache = shared ?? context.caches?[layer] else { continue }
            let attention = BlockAttention.batch(
                cache: cache, start: context.start, angles: angles[block.window == nil ? 0 : 1])
            apply(block, to: stream, attention)
            try context.inspect?(layer, stream)
        }
        return stream
    }

    /// One block, in place: h += attention(norm(h)); h += feedForward(norm(h)).
    private func apply(_ block: TransformerBlock, to stream: Tensor, _ attention: BlockAttention) {
        let epsilon = Float(configuration.normEpsilon)
        let x = compute.normalize(stream, weight: block.attentionNorm, epsilon: epsilon)
        var added = attend(block, x, attention)
        if let norm = block.attentionPostNorm {
            added = compute.normalize(added, weight: norm, epsilon: epsilon)
        }
        compute.add(added, to: stream)
        let y = compute.normalize(stream, weight: block.feedForwardNorm, epsilon: epsilon)
        added = feedForward(block, y)
        if let norm = block.feedForwardPostNorm {
            added = compute.normalize(added, weight: norm, epsilon: epsilon)
        }
        compute.add(added, to: stream)
    }

    private func attend(_ block: TransformerBlock, _ x: Tensor, _ attention: BlockAttention) -> Tensor {
        let operand = compute.operand(x, for: block.query.weight, block.key.weight, block.value.weight)
        let query = compute.linear(operand, block.query.weight, bias: block.query.bias)
        let key = compute.linear(operand, block.key.weight, bias: block.key.bias)
        let value = compute.linear(operand, block.value.weight, bias: block.value.bias)
        let head = configuration.headDimension
        let epsilon = Float(configuration.normEpsilon)
        compute.prepareHeads(
            query, head: head, norm: block.queryNorm, epsilon: epsilon, rotary: attention.angles,
            scale: configuration.attentionScale)
        compute.prepareHeads(key, head: head, norm: block.keyNorm, epsilon: epsilon, rotary: attention.angles)
        let result = attention.apply(query, key, value, window: block.window, compute)
        return compute.linear(
            compute.operand(result, for: block.output.weight), block.output.weight, bias: block.output.bias)
    }

    private func feedForward(_ block: TransformerBlock, _ x: Tensor) -> Tensor {
        let operand = compute.operand(x, for: block.gate.weight, block.up.weight)
        let inner = compute.gated(
            operand, gate: block.gate.weight, up: block.up.weight, activation: configuration.activation)
        return compute.linear(
            compute.operand(inner, for: block.down.weight), block.down.weight, bias: block.down.bias)
    }

    // MARK: - Parts

    /// Token embeddings; padding repeats the last token of its sequence.
    private func embed(_ sequences: [[Int32]], layout: PanelLayout) -> Tensor {
        compute.embed(sequences, embedding, scale: configuration.embeddingScale, layout: layout)
    }

    /// Angles of global and of sliding layers.
    private func angles(_ layout: PanelLayout, start: Int) -> [RotaryAngles] {
        [false, true].map { isSliding in
            compute.rotaryAngles(
                layout: layout, frequencies: configuration.rotaryFrequencies(isSliding: isSliding),
                isInterleaved: isInterleaved, start: start)
        }
    }

    func cache(sequences: Int, positions: Int) -> KeyValueCache {
        compute.keyValueCache(
            sequences: sequences, positions: positions, heads: configuration.keyValueHeadCount,
            head: configuration.headDimension)
    }

    /// The input of the vocabulary head for some positions of every sequence.
    func finalStates(_ stream: Tensor, positions: Range<Int>) -> Tensor {
        compute.normalize(
            compute.gather(stream, positions: positions), weight: outputNorm,
            epsilon: Float(configuration.normEpsilon))
    }

    private func check(_ sequences: [[Int32]]) throws(ModelError) {
        let length = sequences.first?.count ?? 0
        precondition(length > 0, "no tokens")
        for sequence in sequences {
            precondition(sequence.count == length, "sequences of \(length) and \(sequence.count) tokens")
            for token in sequence where token < 0 || token >= vocabularySize {
                throw .tokenOutOfRange(token: Int(token), vocabularySize: vocabularySize, path: path)
            }
        }
    }
}

/// How a block's attention gets its keys.
struct BlockAttention {
    let cache: KeyValueCache
    let start: Int
    let angles: RotaryAngles

    static func batch(cache: KeyValueCache, start: Int, angles: RotaryAngles) -> BlockAttention {
        BlockAttention(cache: cache, start: start, angles: angles)
    }

    func apply(_ query: Tensor, _ key: Tensor, _ value: Tensor, window: Int?, _ compute: Compute) -> Tensor {
        compute.attention(query: query, key: key, value: value, cache: cache, start: start, window: window)
    }
}
