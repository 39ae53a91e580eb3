extension Architecture {
    /// The tensors of the architecture with their names in both schemes (llama.cpp: gguf-py
    /// `tensor_mapping.py`, `llama-arch.cpp`).
    var tensorTable: [TensorTableRow] {
        switch self {
        case .gemma3: Self.gemma3Table
        case .llama: Self.llamaTable
        case .qwen2: Self.qwen2Table
        case .qwen3: Self.qwen3Table
        }
    }

    private static let gemma3Table =
        common + queryKeyNorms + [
            TensorTableRow(
                kind: .attentionPostNorm, hub: "post_attention_layernorm", gguf: "post_attention_norm"),
            TensorTableRow(kind: .feedForwardNorm, hub: "pre_feedforward_layernorm", gguf: "ffn_norm"),
            TensorTableRow(
                kind: .feedForwardPostNorm, hub: "post_feedforward_layernorm", gguf: "post_ffw_norm"),
        ] + attention(biases: .inputs) + feedForward(biases: false)

    private static let llamaTable =
        common + attention(biases: .all) + [
            feedForwardNorm,
            TensorTableRow(
                kind: .ropeFrequencies, hub: nil, gguf: "rope_freqs", hasLayers: false, required: false),
            TensorTableRow(
                kind: .ropeLongFactors, hub: nil, gguf: "rope_factors_long", hasLayers: false,
                required: false),
            TensorTableRow(
                kind: .ropeShortFactors, hub: nil, gguf: "rope_factors_short", hasLayers: false,
                required: false),
        ] + feedForward(biases: true)

    private static let qwen2Table =
        common + attention(biases: .inputs) + [feedForwardNorm] + feedForward(biases: false)

    private static let qwen3Table =
        common + queryKeyNorms + attention(biases: .inputs) + [feedForwardNorm] + feedForward(biases: false)

    private static let feedForwardNorm = TensorTableRow(
        kind: .feedForwardNorm, hub: "post_attention_layernorm", gguf: "ffn_norm")

    private static let common = [
        TensorTableRow(
            kind: .tokenEmbedding, hub: "model.embed_tokens", gguf: "token_embd", hasLayers: false),
        TensorTableRow(kind: .outputNorm, hub: "model.norm", gguf: "output_norm", hasLayers: false),
        TensorTableRow(kind: .output, hub: "lm_head", gguf: "output", hasLayers: false, required: false),
        TensorTableRow(kind: .attentionNorm, hub: "input_layernorm", gguf: "attn_norm"),
    ]

    private static let queryKeyNorms = [
        TensorTableRow(kind: .attentionQueryNorm, hub: "self_attn.q_norm", gguf: "attn_q_norm"),
        TensorTableRow(kind: .attentionKeyNorm, hub: "self_attn.k_norm", gguf: "attn_k_norm"),
    ]

    private static func parts(bias: Bool) -> [TensorRole.Part] { bias ? [.weight, .bias] : [.weight] }

    private static func feedForward(biases: Bool) -> [TensorTableRow] {
        let parts = parts(bias: biases)
        return [
            TensorTableRow(kind: .feedForwardGate, hub: "mlp.gate_proj", gguf: "ffn_gate", parts: parts),
            TensorTableRow(kind: .feedForwardUp, hub: "mlp.up_proj", gguf: "ffn_up", parts: parts),
            TensorTableRow(kind: .feedForwardDown, hub: "mlp.down_proj", gguf: "ffn_down", parts: parts),
        ]
    }

    /// Which matrices of attention may have biases: those that llama.cpp loads.
    private enum AttentionBiases {
        /// Query, key and value.
        case inputs
        /// The output as well.
        case all
    }

    private static func attention(biases: AttentionBiases) -> [TensorTableRow] {
        let parts = parts(bias: true)
        return [
            TensorTableRow(kind: .attentionQuery, hub: "self_attn.q_proj", gguf: "attn_q", parts: parts),
            TensorTableRow(kind: .attentionKey, hub: "self_attn.k_proj", gguf: "attn_k", parts: parts),
            TensorTableRow(kind: .attentionValue, hub: "self_attn.v_proj", gguf: "attn_v", parts: parts),
            TensorTableRow(
                kind: .attentionOutput, hub: "self_attn.o_proj", gguf: "attn_output",
                parts: Self.parts(bias: biases == .all)),
        ]
    }
}

extension ModelConfiguration {
    /// The tensors of a checkpoint of this shape: those that every model of the architecture has, a head that is not tied,
    /// the biases of Qwen 2, and the divisors of rotary frequencies that llama.cpp's converter computes for Llama 3.1.
    package var roles: [TensorRole] {
        var roles: [TensorRole] = []
        for row in architecture.tensorTable {
            switch row.kind {
            case .output where tiesEmbeddings: continue
            case .ropeFrequencies where llama3FrequencyFactors == nil: continue
            case .ropeLongFactors, .ropeShortFactors: continue
            default: break
            }
            let takesInput: Set<TensorRole.Kind> = [.attentionQuery, .attentionKey, .attentionValue]
            let hasBias = architecture == .qwen2 && takesInput.contains(row.kind)
            let parts: [TensorRole.Part] = hasBias ? [.weight, .bias] : [.weight]
            let layers: [Int?] = row.hasLayers ? (0..<layerCount).map { $0 } : [nil]
            for layer in layers {
                roles += parts.map { TensorRole(row.kind, layer: layer, part: $0) }
            }
        }
        return roles
    }

    /// The shape that a tensor must have, slowest extent first; nil where the configuration does not say.
    public func shape(of role: TensorRole) -> [Int]? {
        if role.layer != nil, !hasUniformBlocks { return nil }
        let query = headCount * headDimension
        let keyValue = keyValueHeadCount * headDimension
        switch (role.kind, role.part) {
        case (.tokenEmbedding, .weight), (.output, .weight): return [vocabularySize, embeddingLength]
        case (.ropeFrequencies, _), (.ropeLongFactors, _), (.ropeShortFactors, _): return [headDimension / 2]
        case (.outputNorm, _), (.attentionNorm, _), (.attentionPostNorm, _), (.feedForwardNorm, _),
            (.feedForwardPostNorm, _), (.attentionOutput, .bias):
            return [embeddingLength]
        case (.attentionQueryNorm, _), (.attentionKeyNorm, _): return [headDimension]
        case (.attentionQuery, .weight): return [query, embeddingLength]
        case (.attentionKey, .weight), (.attentionValue, .weight): return [keyValue, embeddingLength]
        case (.attentionOutput, .weight): return [embeddingLength, query]
        case (.attentionQuery, .bias): return [query]
        case (.attentionKey, .bias), (.attentionValue, .bias): return [keyValue]
        case (.feedForwardGate, .weight), (.feedForwardUp, .weight):
            return [feedForwardLength, embeddingLength]
        case (.feedForwardDown, .weight): return [embeddingLength, feedForwardLength]
        case (.feedForwardGate, .bias), (.feedForwardUp, .bias): return [feedForwardLength]
        case (.feedForwardDown, .bias): return [embeddingLength]
        default: return nil
        }
    }
}
