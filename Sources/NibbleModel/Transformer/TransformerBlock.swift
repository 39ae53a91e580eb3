internal import NibbleCheckpoint
internal import NibbleTensor

/// The weights of one transformer block and what is particular to it.
struct TransformerBlock: Sendable {
    var attentionNorm: Vector
    var query: Linear
    var key: Linear
    var value: Linear
    var output: Linear
    /// Norms of each query and key head (Gemma 3, Qwen 3).
    var queryNorm: Vector?
    var keyNorm: Vector?
    /// Norms of what attention and feed-forward layer add (Gemma 3).
    var attentionPostNorm: Vector?
    var feedForwardNorm: Vector
    var gate: Linear
    var up: Linear
    var down: Linear
    var feedForwardPostNorm: Vector?
    /// Keys that a token sees, itself included; nil for all.
    var window: Int?
    /// What queries are multiplied with.
    var attentionScale: Float

    /// A matrix and its bias.
    struct Linear: Sendable {
        var weight: Matrix
        var bias: Vector?
    }
}

extension TransformerBlock {
    /// The norm that a sublayer begins with.
    func norm(of sublayer: Sublayer) -> Vector {
        switch sublayer {
        case .attention: attentionNorm
        case .feedForward: feedForwardNorm
        }
    }

    /// The matrix that a sublayer ends with, and the norm of what it adds.
    func last(of sublayer: Sublayer) -> (linear: Linear, norm: Vector?) {
        switch sublayer {
        case .attention: (output, attentionPostNorm)
        case .feedForward: (down, feedForwardPostNorm)
        }
    }

    /// A matrix by what it is for.
    subscript(matrix kind: TensorRole.Kind) -> Matrix {
        get { self[keyPath: Self.linear(kind)].weight }
        set { self[keyPath: Self.linear(kind)].weight = newValue }
    }

    private static func linear(_ kind: TensorRole.Kind) -> WritableKeyPath<TransformerBlock, Linear> {
        switch kind {
        case .attentionQuery: \.query
        case .attentionKey: \.key
        case .attentionValue: \.value
        case .attentionOutput: \.output
        case .feedForwardGate: \.gate
        case .feedForwardUp: \.up
        case .feedForwardDown: \.down
        default: preconditionFailure("\(kind) is no matrix of a block")
        }
    }

    init(_ weights: WeightTable, layer: Int, _ configuration: ModelConfiguration) throws(CheckpointError) {
        func linear(_ kind: TensorRole.Kind) throws(CheckpointError) -> Linear {
            Linear(
                weight: try weights.matrix(TensorRole(kind, layer: layer)),
                bias: try weights.vector(TensorRole(kind, layer: layer, part: .bias)))
        }
        func norm(_ kind: TensorRole.Kind) throws(CheckpointError) -> Vector? {
            try weights.vector(TensorRole(kind, layer: layer))
        }
        attentionNorm = try weights.requiredVector(TensorRole(.attentionNorm, layer: layer))
        feedForwardNorm = try weights.requiredVector(TensorRole(.feedForwardNorm, layer: layer))
        query = try linear(.attentionQuery)
        key = try linear(.attentionKey)
        value = try linear(.attentionValue)
        output = try linear(.attentionOutput)
        gate = try linear(.feedForwardGate)
        up = try linear(.feedForwardUp)
        down = try linear(.feedForwardDown)
        queryNorm = try norm(.attentionQueryNorm)
        keyNorm = try norm(.attentionKeyNorm)
        attentionPostNorm = try norm(.attentionPostNorm)
        feedForwardPostNorm = try norm(.feedForwardPostNorm)
        let isSliding = configuration.isSliding(layer: layer)
        window = isSliding ? configuration.slidingWindow : nil
        attentionScale = configuration.attentionScale(isSliding: isSliding)
    }
}

extension ModelConfiguration {
    /// Radians a position of each rotary pair. Scaling is for global layers only.
    func rotaryFrequencies(isSliding: Bool) -> [Float] {
        if isSliding, let ropeLocalBase {
            return RotaryAngles.frequencies(base: ropeLocalBase, head: headDimension)
        }
        switch ropeScaling {
        case nil: return RotaryAngles.frequencies(base: ropeBase, head: headDimension)
        case .linear(let factor):
            return RotaryAngles.frequencies(base: ropeBase, head: headDimension, scale: Float(1 / factor))
        case .llama3:
            return RotaryAngles.frequencies(
                base: ropeBase, head: headDimension,
                divisors: ropeScaling?.llama3Divisors(base: ropeBase, headDimension: headDimension))
        case .divisors(let divisors):
            return RotaryAngles.frequencies(base: ropeBase, head: headDimension, divisors: divisors)
        case .yarn(let yarn):
            return yarn.scaled(
                RotaryAngles.frequencies(base: ropeBase, head: headDimension), base: ropeBase)
        }
    }

    /// What queries are multiplied with: 1 / √head, or what the file says instead of the width of a head.
    ///
    /// YaRN multiplies the cosines and sines of queries and of keys; scores, the only thing that both meet in, are the
    /// same where queries are multiplied with its square.
    func attentionScale(isSliding: Bool) -> Float {
        var magnitude = rotaryMagnitude
        if case .yarn(let yarn)? = ropeScaling, !(isSliding && ropeLocalBase != nil) {
            magnitude *= yarn.magnitude
        }
        return Float(magnitude * magnitude / (queryScalar ?? Double(headDimension)).squareRoot())
    }

    /// What token embeddings are multiplied with: the exact root, as llama.cpp does; `transformers` rounds it to
    /// the type of the weights first.
    package var embeddingScale: Float { architecture == .gemma3 ? Float(embeddingLength).squareRoot() : 1 }

    /// How the feed-forward layer bends its gate.
    var activation: Activation { architecture == .gemma3 ? .geluTanh : .silu }
}
