/// What a tensor is for, whatever a file calls it.
///
/// `TensorRole(.attentionQuery, layer: 3)` is `model.layers.3.self_attn.q_proj.weight` on the hub and
/// `blk.3.attn_q.weight` in GGUF; ``NamingScheme`` holds those tables.
public struct TensorRole: Hashable, Sendable {
    /// What the tensor is for.
    public var kind: Kind
    /// The transformer block it belongs to; nil outside of blocks.
    public var layer: Int?
    /// Weight or bias.
    public var part: Part

    /// Creates a role.
    public init(_ kind: Kind, layer: Int? = nil, part: Part = .weight) {
        self.kind = kind
        self.layer = layer
        self.part = part
    }

    /// Tensors of the supported architectures.
    public enum Kind: String, CaseIterable, Sendable {
        /// `[vocabulary, embedding]`, also the head where that is tied.
        case tokenEmbedding
        /// Norm before the head.
        case outputNorm
        /// The vocabulary head, `[vocabulary, embedding]`, where it is not tied.
        case output
        /// Divisors of the rotary frequencies, `[head / 2]` (Llama 3.1).
        case ropeFrequencies
        /// Divisors of the rotary frequencies beyond the original context, `[head / 2]` (LongRoPE; carried over, not
        /// computed).
        case ropeLongFactors
        /// The same within the original context.
        case ropeShortFactors
        /// Norm before attention.
        case attentionNorm
        case attentionQuery
        case attentionKey
        case attentionValue
        case attentionOutput
        /// Norm of each query head.
        case attentionQueryNorm
        /// Norm of each key head.
        case attentionKeyNorm
        /// Norm of the attention's result (Gemma 3).
        case attentionPostNorm
        /// Norm before the feed-forward layer.
        case feedForwardNorm
        case feedForwardGate
        case feedForwardUp
        case feedForwardDown
        /// Norm of the feed-forward layer's result (Gemma 3).
        case feedForwardPostNorm
    }

    /// Whether the tensor holds divisors of rotary frequencies, which a hub folder says in `config.json` instead.
    package var isRotary: Bool {
        kind == .ropeFrequencies || kind == .ropeLongFactors || kind == .ropeShortFactors
    }

    /// Whether the tensor has a row for each token: the embedding, or the head where that is a matrix of its own.
    package var isVocabulary: Bool { kind == .tokenEmbedding || kind == .output }

    /// The part of a linear layer.
    public enum Part: String, Sendable {
        case weight
        case bias
    }
}

extension TensorRole.Kind {
    /// Whether the tensor is the weight of a norm.
    package var isNorm: Bool {
        switch self {
        case .outputNorm, .attentionNorm, .attentionQueryNorm, .attentionKeyNorm, .attentionPostNorm,
            .feedForwardNorm, .feedForwardPostNorm:
            true
        default: false
        }
    }
}

extension TensorRole: CustomStringConvertible {
    /// `attentionQuery of block 3`, `attentionQuery bias of block 3`.
    public var description: String {
        kind.rawValue + (part == .weight ? "" : " \(part.rawValue)") + (layer.map { " of block \($0)" } ?? "")
    }
}
