public import NibbleNumerics

extension ModelConfiguration {
    /// The model as `config.json`, which `transformers` 4.5x and 5 load with the same meaning: rotary
    /// embeddings in the older spelling, which both accept, and both spellings of the element type and of
    /// Gemma's sliding layers.
    ///
    /// - Parameters:
    ///   - type: How the weights are stored: F32, F16 or BF16.
    ///   - vocabulary: Where the ids of special tokens come from; nil leaves them out.
    ///   - hasAttentionBias: Whether the attention of a Llama has biases; Qwen 2's always has.
    ///   - hasFeedForwardBias: Whether the feed-forward layers of a Llama have biases.
    ///   - quantization: What stands as `quantization_config`; nil leaves it out.
    ///   - path: Where the model comes from, for errors.
    /// - Throws: ``CheckpointError`` where `config.json` cannot say what the model computes, or Nibble does not know it.
    public func hubConfiguration(
        type: GGMLType, vocabulary: Vocabulary?, hasAttentionBias: Bool = false,
        hasFeedForwardBias: Bool = false, quantization: JSONValue? = nil, path: String = "config.json"
    ) throws(CheckpointError) -> JSONValue {
        try checkHub(path: path)
        return .object(
            hubMembers(
                type: type, vocabulary: vocabulary, hasAttentionBias: hasAttentionBias,
                hasFeedForwardBias: hasFeedForwardBias, quantization: quantization))
    }

    /// The same, in order, whether or not all of the model can be said so.
    func hubMembers(
        type: GGMLType, vocabulary: Vocabulary?, hasAttentionBias: Bool, hasFeedForwardBias: Bool,
        quantization: JSONValue?
    ) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name, value)) }
        add("architectures", .array([.string(hubClass)]))
        add("attention_dropout", 0.0)
        add("bos_token_id", vocabulary?.special.beginning.map(JSONValue.integer) ?? .null)
        add("dtype", .string(type.hubName))
        add("torch_dtype", .string(type.hubName))
        add("eos_token_id", vocabulary?.special.end.map(JSONValue.integer) ?? .null)
        add("hidden_size", .integer(embeddingLength))
        add("initializer_range", 0.02)
        add("intermediate_size", .integer(feedForwardLength))
        add("max_position_embeddings", .integer(contextLength))
        add("model_type", .string(hubType))
        add("num_attention_heads", .integer(headCount))
        add("num_hidden_layers", .integer(layerCount))
        add("num_key_value_heads", .integer(keyValueHeadCount))
        if let quantization { add("quantization_config", quantization) }
        add("pad_token_id", vocabulary?.special.padding.map(JSONValue.integer) ?? .null)
        add("rms_norm_eps", .real(normEpsilon))
        add("rope_scaling", hubRopeScaling)
        add("rope_theta", .real(ropeBase))
        add("tie_word_embeddings", .bool(tiesEmbeddings))
        add("use_cache", true)
        add("vocab_size", .integer(vocabularySize))
        switch architecture {
        case .gemma3:
            add("attention_bias", .bool(hasAttentionBias))
            members += gemma3Members
        case .llama:
            add("attention_bias", .bool(hasAttentionBias))
            add("head_dim", .integer(headDimension))
            add("hidden_act", "silu")
            add("mlp_bias", .bool(hasFeedForwardBias))
        case .qwen2, .qwen3:
            if architecture == .qwen3 {
                add("attention_bias", .bool(hasAttentionBias))
                add("head_dim", .integer(headDimension))
            }
            add("hidden_act", "silu")
            add("max_window_layers", .integer(layerCount))
            add("sliding_window", .null)
            add("use_sliding_window", false)
        }
        return members.sorted { $0.name < $1.name }
    }

    /// The class of the configuration.
    var hubType: String { architecture == .gemma3 ? "gemma3_text" : architecture.rawValue }

    /// The class of the model.
    var hubClass: String {
        switch architecture {
        case .gemma3: "Gemma3ForCausalLM"
        case .llama: "LlamaForCausalLM"
        case .qwen2: "Qwen2ForCausalLM"
        case .qwen3: "Qwen3ForCausalLM"
        }
    }

    private var gemma3Members: [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ value: JSONValue) { members.append(.init(name, value)) }
        add("attn_logit_softcapping", .null)
        add("final_logit_softcapping", finalLogitSoftcap.map(JSONValue.real) ?? .null)
        add("head_dim", .integer(headDimension))
        add("hidden_activation", "gelu_pytorch_tanh")
        let sliding = slidingLayers
        add("layer_types", .array(sliding.map { $0 ? "sliding_attention" : "full_attention" }))
        let scalar = queryScalar ?? Double(headDimension)
        // An integer where it is one: transformers 5 insists on it.
        add("query_pre_attn_scalar", Int(exactly: scalar).map(JSONValue.integer) ?? .real(scalar))
        add("rope_local_base_freq", .real(ropeLocalBase ?? ropeBase))
        // Without sliding layers the width still has to be a number, but is not used.
        add("sliding_window", .integer(slidingWindow ?? contextLength))
        switch slidingPattern {
        case .period(let period): add("sliding_window_pattern", .integer(period))
        case nil: add("sliding_window_pattern", .integer(1))
        case .layers: break
        }
        return members
    }

    /// Whether each layer attends within the window only.
    var slidingLayers: [Bool] {
        switch slidingPattern {
        case .period(let period) where period > 0: (0..<layerCount).map { $0 % period != period - 1 }
        case .layers(let layers): layers
        default: Array(repeating: false, count: layerCount)
        }
    }

    private var hubRopeScaling: JSONValue {
        switch ropeScaling {
        case nil: return .null
        case .linear(let factor): return .members(["factor": .real(factor), "rope_type": "linear"])
        case .llama3(let factor, let low, let high, let context):
            return .members([
                "factor": .real(factor), "high_freq_factor": .real(high), "low_freq_factor": .real(low),
                "original_max_position_embeddings": .integer(context), "rope_type": "llama3",
            ])
        case .yarn(let yarn):
            var members: [JSONValue.Member] = []
            if let factor = yarn.attentionFactor { members.append(.init("attention_factor", .real(factor))) }
            if yarn.betaFast != 32 { members.append(.init("beta_fast", .real(yarn.betaFast))) }
            if yarn.betaSlow != 1 { members.append(.init("beta_slow", .real(yarn.betaSlow))) }
            members.append(.init("factor", .real(yarn.factor)))
            members.append(.init("original_max_position_embeddings", .integer(yarn.originalContext)))
            members.append(.init("rope_type", "yarn"))
            if !yarn.truncates { members.append(.init("truncate", false)) }
            return .object(members)
        case .divisors: return .null
        }
    }

    /// Throws what config.json cannot say, or what Nibble does not know of the model.
    package func checkHub(path: String) throws(CheckpointError) {
        if let obstacle = obstacles.first { throw obstacle }
        if case .divisors = ropeScaling {
            throw CheckpointError(
                .unsupported, path: path, subject: "tensor 'rope_freqs.weight'",
                "holds divisors that no constants of Llama 3's rotary scaling were found for, so that config.json cannot say them"
            )
        }
        guard rotaryMagnitude == 1 else {
            throw CheckpointError(
                .unsupported, path: path, subject: "key '\(architecture.rawValue).rope.scaling.attn_factor'",
                "is \(rotaryMagnitude), which config.json cannot say without YaRN")
        }
    }
}

extension GGMLType {
    /// The element type as PyTorch calls it.
    var hubName: String {
        switch self {
        case .f32: return "float32"
        case .f16: return "float16"
        case .bf16: return "bfloat16"
        default: preconditionFailure("a hub folder holds F32, F16 or BF16, not \(self)")
        }
    }
}

extension JSONValue: ExpressibleByFloatLiteral {
    /// A number.
    public init(floatLiteral value: Double) { self = .real(value) }
}
