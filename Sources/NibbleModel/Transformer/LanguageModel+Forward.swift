internal import NibbleCheckpoint
public import NibbleTensor

/// Called with the residual stream after the embedding (layer -1) and after each block.
public typealias PassInspection = (_ layer: Int, Tensor) throws(ModelError) -> Void

/// Called with the input of some matrices of a block: the token's features before they are multiplied.
public typealias InputObservation = (_ group: Sublayer.InputGroup, _ layer: Int, Tensor) -> Void

extension LanguageModel {
    /// The residual stream after the last block, for sequences of equal length that begin at position 0 and are not
    /// continued.
    ///
    /// - Parameters:
    ///   - tape: records the pass; without one every block works in place.
    ///   - recomputes: whether only the input of a block is kept, and the block computed again on the way back.
    ///   - inspect: sees the stream; only with a tape may it keep what it sees.
    ///   - observe: sees the inputs of all matrices, which it may not keep.
    public func residual(
        _ sequences: [[Int32]], tape: Tape? = nil, recomputes: Bool = false, inspect: PassInspection? = nil,
        observe: InputObservation? = nil
    ) throws(ModelError) -> Tensor {
        let length = try check(sequences)
        let layout = compute.layout(sequences: sequences.count, length: length)
        // Nothing is continued, so that one cache serves all layers in turn.
        let cache = cache(sequences: sequences.count, positions: length)
        let angles = angles(layout)
        return try residual(
            sequences, layout: layout, tape: tape, recomputes: recomputes, inspect: inspect, observe: observe
        ) {
            _ in BlockAttention(cache: cache, place: .batch(first: 0, start: 0), angles: angles)
        }
    }

    /// The residual stream after the last block; `attention` tells for each layer where keys and values are.
    func residual(
        _ sequences: [[Int32]], layout: PanelLayout, tape: Tape? = nil, recomputes: Bool = false,
        inspect: PassInspection? = nil, observe: InputObservation? = nil,
        attention: (_ layer: Int) -> BlockAttention
    ) throws(ModelError) -> Tensor {
        var stream = compute.embed(
            sequences, embedding, scale: configuration.embeddingScale, layout: layout, tape: tape)
        try inspect?(-1, stream)
        for (layer, block) in blocks.enumerated() {
            let attention = attention(layer)
            if recomputes {
                stream = compute.recomputing(stream, tape: tape) { [self] in
                    apply(block, to: $0, attention, tape: $1)
                }
            } else {
                let see = observe.map { observe in { observe($0, layer, $1) } }
                stream = apply(block, to: stream, attention, tape: tape, see: see)
            }
            try inspect?(layer, stream)
        }
        return stream
    }

    /// An ``InputObservation`` of one layer.
    typealias BlockObservation = (_ group: Sublayer.InputGroup, Tensor) -> Void

    /// One block, a sublayer after the other. In place unless there is a tape.
    func apply(
        _ block: TransformerBlock, to stream: Tensor, _ attention: BlockAttention, tape: Tape?,
        see: BlockObservation? = nil
    ) -> Tensor {
        Sublayer.allCases.reduce(stream) {
            apply($1, of: block, to: $0, attention, tape: tape, see: see)
        }
    }

    /// One sublayer: h += last(inner(norm(h))). In place unless there is a tape.
    func apply(
        _ sublayer: Sublayer, of block: TransformerBlock, to stream: Tensor, _ attention: BlockAttention,
        tape: Tape? = nil, see: BlockObservation? = nil
    ) -> Tensor {
        let x = normalize(stream, block.norm(of: sublayer), tape: tape)
        see?(sublayer.first, x)
        let y = inner(sublayer, of: block, x, attention, tape: tape)
        see?(sublayer.last, y)
        return add(y, through: sublayer, of: block, to: stream, tape: tape)
    }

    /// With the epsilon of the model's norms.
    func normalize(_ x: Tensor, _ weight: Vector, tape: Tape?) -> Tensor {
        compute.normalize(x, weight: weight, epsilon: Float(configuration.normEpsilon), tape: tape)
    }

    /// The input of a sublayer's last matrix, given the normed stream.
    func inner(
        _ sublayer: Sublayer, of block: TransformerBlock, _ x: Tensor, _ attention: BlockAttention,
        tape: Tape?
    ) -> Tensor {
        switch sublayer {
        case .attention: attend(block, x, attention, tape: tape)
        case .feedForward: feedForward(block, x, tape: tape)
        }
    }

    private func attend(_ block: TransformerBlock, _ x: Tensor, _ attention: BlockAttention, tape: Tape?)
        -> Tensor
    {
        let operand = compute.operand(x, for: block.query.weight, block.key.weight, block.value.weight)
        var query = compute.linear(operand, block.query.weight, bias: block.query.bias, tape: tape)
        var key = compute.linear(operand, block.key.weight, bias: block.key.bias, tape: tape)
        let value = compute.linear(operand, block.value.weight, bias: block.value.bias, tape: tape)
        let head = configuration.headDimension
        let angles = block.window == nil ? attention.angles.global : attention.angles.sliding
        let epsilon = Float(configuration.normEpsilon)
        query = compute.prepareHeads(
            query, head: head, norm: block.queryNorm, epsilon: epsilon, rotary: angles,
            scale: block.attentionScale, tape: tape)
        key = compute.prepareHeads(
            key, head: head, norm: block.keyNorm, epsilon: epsilon, rotary: angles, tape: tape)
        return attention.apply(query, key, value, window: block.window, compute, tape: tape)
    }

    private func feedForward(_ block: TransformerBlock, _ x: Tensor, tape: Tape?) -> Tensor {
        let operand = compute.operand(x, for: block.gate.weight, block.up.weight)
        return compute.gated(
            operand, gate: block.gate.weight, up: block.up.weight, activation: configuration.activation,
            tape: tape)
    }

    /// The stream after a sublayer, given the input of its last matrix. In place unless there is a tape.
    func add(
        _ x: Tensor, through sublayer: Sublayer, of block: TransformerBlock, to stream: Tensor, tape: Tape?
    ) -> Tensor {
        let (linear, norm) = block.last(of: sublayer)
        var added = compute.linear(
            compute.operand(x, for: linear.weight), linear.weight, bias: linear.bias, tape: tape)
        if let norm { added = normalize(added, norm, tape: tape) }
        return compute.add(added, to: stream, tape: tape)
    }

    // MARK: - Parts

    /// Angles of sequences that begin at position 0.
    func angles(_ layout: PanelLayout) -> LayerAngles {
        angleCache.angles(layout) {
            angles {
                compute.rotaryAngles(layout: layout, frequencies: $0, isInterleaved: isInterleaved)
            }
        }
    }

    /// Angles of global and of sliding layers.
    func angles(_ make: (_ frequencies: [Float]) -> RotaryAngles) -> LayerAngles {
        let global = make(configuration.rotaryFrequencies(isSliding: false))
        guard configuration.slidingWindow != nil else { return LayerAngles(global: global, sliding: global) }
        return LayerAngles(global: global, sliding: make(configuration.rotaryFrequencies(isSliding: true)))
    }

    /// An empty cache of one layer.
    func cache(sequences: Int, positions: Int) -> KeyValueCache {
        compute.keyValueCache(
            sequences: sequences, positions: positions, heads: configuration.keyValueHeadCount,
            head: configuration.headDimension)
    }

    /// The input of the vocabulary head for some positions of every sequence.
    public func finalStates(_ stream: Tensor, positions: Range<Int>, tape: Tape? = nil) -> Tensor {
        normalize(compute.gather(stream, positions: positions, tape: tape), outputNorm, tape: tape)
    }

    /// Checks that all tokens are of the vocabulary and all sequences equally long; returns their length.
    func check(_ sequences: [[Int32]]) throws(ModelError) -> Int {
        let length = sequences.first?.count ?? 0
        precondition(length > 0, "no tokens")
        for sequence in sequences {
            precondition(sequence.count == length, "sequences of \(length) and \(sequence.count) tokens")
            for token in sequence where token < 0 || token >= vocabularySize {
                throw .tokenOutOfRange(token: Int(token), vocabularySize: vocabularySize, path: path)
            }
        }
        return length
    }
}
