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
        ] + attention(biases: false)

    private static let llamaTable =
        common + attention(biases: true) + [
            TensorTableRow(kind: .feedForwardNorm, hub: "post_attention_layernorm", gguf: "ffn_norm"),
            TensorTableRow(
                kind: .ropeFrequencies, hub: nil, gguf: "rope_freqs", hasLayers: false, required: false),
        ]

    private static let qwen2Table =
        common + attention(biases: true) + [
            TensorTableRow(kind: .feedForwardNorm, hub: "post_attention_layernorm", gguf: "ffn_norm")
        ]

    private static let qwen3Table =
        common + queryKeyNorms + attention(biases: false) + [
            TensorTableRow(kind: .feedForwardNorm, hub: "post_attention_layernorm", gguf: "ffn_norm")
        ]

    private static let common = [
        TensorTableRow(
            kind: .tokenEmbedding, hub: "model.embed_tokens", gguf: "token_embd", hasLayers: false),
        TensorTableRow(kind: .outputNorm, hub: "model.norm", gguf: "output_norm", hasLayers: false),
        TensorTableRow(kind: .output, hub: "lm_head", gguf: "output", hasLayers: false, required: false),
        TensorTableRow(kind: .attentionNorm, hub: "input_layernorm", gguf: "attn_norm"),
        TensorTableRow(kind: .feedForwardGate, hub: "mlp.gate_proj", gguf: "ffn_gate"),
        TensorTableRow(kind: .feedForwardUp, hub: "mlp.up_proj", gguf: "ffn_up"),
        TensorTableRow(kind: .feedForwardDown, hub: "mlp.down_proj", gguf: "ffn_down"),
    ]

    private static let queryKeyNorms = [
        TensorTableRow(kind: .attentionQueryNorm, hub: "self_attn.q_norm", gguf: "attn_q_norm"),
        TensorTableRow(kind: .attentionKeyNorm, hub: "self_attn.k_norm", gguf: "attn_k_norm"),
    ]

    private static func attention(biases: Bool) -> [TensorTableRow] {
        let parts: [TensorRole.Part] = biases ? [.weight, .bias] : [.weight]
        return [
            TensorTableRow(kind: .attentionQuery, hub: "self_attn.q_proj", gguf: "attn_q", parts: parts),
            TensorTableRow(kind: .attentionKey, hub: "self_attn.k_proj", gguf: "attn_k", parts: parts),
            TensorTableRow(kind: .attentionValue, hub: "self_attn.v_proj", gguf: "attn_v", parts: parts),
            TensorTableRow(
                kind: .attentionOutput, hub: "self_attn.o_proj", gguf: "attn_output", parts: parts),
        ]
    }
}

extension ModelConfiguration {
    /// What turns the hub's values of a tensor into GGUF's; the inverse goes back.
    public func transform(of role: TensorRole) -> ValueTransform {
        switch (architecture, role.kind) {
        case (.gemma3, .attentionNorm), (.gemma3, .attentionQueryNorm), (.gemma3, .attentionKeyNorm),
            (.gemma3, .attentionPostNorm), (.gemma3, .feedForwardNorm), (.gemma3, .feedForwardPostNorm),
            (.gemma3, .outputNorm):
            .addOne
        case (.llama, .attentionQuery): .interleaveHeads(count: headCount)
        case (.llama, .attentionKey): .interleaveHeads(count: keyValueHeadCount)
        default: .identity
        }
    }

    /// The shape that a tensor must have, slowest extent first; nil where the configuration does not say.
    public func shape(of role: TensorRole) -> [Int]? {
        let query = headCount * headDimension
        let keyValue = keyValueHeadCount * headDimension
        switch (role.kind, role.part) {
        case (.tokenEmbedding, .weight), (.output, .weight): return [vocabularySize, embeddingLength]
        case (.ropeFrequencies, _): return [headDimension / 2]
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
        default: return nil
        }
    }
}
