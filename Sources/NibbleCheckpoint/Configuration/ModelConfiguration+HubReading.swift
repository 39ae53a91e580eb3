extension ModelConfiguration {
    /// Reads `config.json` of a hub folder, in the spellings of `transformers` 4 and 5; fields that a
    /// configuration leaves out have the defaults of `transformers`.
    ///
    /// - Throws: ``CheckpointError`` where a field is missing or senseless, or the checkpoint is of another kind. What is
    ///   neither computed nor expressed in GGUF stands in ``obstacles``.
    public init(hubConfiguration: JSONValue, path: String) throws(CheckpointError) {
        let whole = HubFields(json: hubConfiguration, path: path)
        let architecture = try Self.architecture(whole)
        let fields = try whole.object("text_config") ?? whole
        let wholeTies = try whole.flag("tie_word_embeddings")
        let isGemma = architecture == .gemma3
        let heads = try fields.required(
            "num_attention_heads", try fields.count("num_attention_heads") ?? (isGemma ? 8 : nil))
        let width = try fields.required("hidden_size", try fields.count("hidden_size"))
        let defaultContext = isGemma ? 131072 : architecture == .llama ? 2048 : 32768
        self.init(
            architecture: architecture,
            contextLength: try fields.count("max_position_embeddings") ?? defaultContext,
            embeddingLength: width,
            layerCount: try fields.required("num_hidden_layers", try fields.count("num_hidden_layers")),
            feedForwardLength: try fields.required(
                "intermediate_size", try fields.count("intermediate_size")),
            headCount: heads,
            keyValueHeadCount: try fields.count("num_key_value_heads") ?? (isGemma ? 4 : heads),
            headDimension: try fields.count("head_dim") ?? (isGemma ? 256 : width / heads),
            normEpsilon: try fields.nonNegative("rms_norm_eps") ?? 1e-6,
            ropeBase: isGemma ? 1_000_000 : 10_000,
            // The outer one counts in multimodal models, and is true where it is not stated.
            tiesEmbeddings: wholeTies ?? isGemma,
            vocabularySize: try fields.required(
                "vocab_size", try fields.count("vocab_size") ?? (isGemma ? 262208 : nil)))
        guard layerCount <= Self.maximumLayerCount else {
            throw fields.error(
                .malformed, "num_hidden_layers",
                "is \(layerCount), at most \(Self.maximumLayerCount) are possible")
        }
        statesHeadDimension = architecture != .qwen2 || fields.value("head_dim") != nil
        try checkHeads(fields)
        try readRope(fields)
        if isGemma { try readGemma3(fields) }
        try noteUnsupported(fields)
    }

    /// `architectures` names the class of the model, as llama.cpp's converter has it, `model_type` that of its
    /// configuration, by which `transformers` chooses the model's. They must mean the same.
    private static func architecture(_ fields: HubFields) throws(CheckpointError) -> Architecture {
        let names: [(String, Architecture)] = [
            ("Gemma3ForCausalLM", .gemma3), ("Gemma3ForConditionalGeneration", .gemma3),
            ("LlamaForCausalLM", .llama), ("Qwen2ForCausalLM", .qwen2), ("Qwen3ForCausalLM", .qwen3),
        ]
        let types: [(String, Architecture)] = [
            ("gemma3_text", .gemma3), ("gemma3", .gemma3), ("llama", .llama), ("qwen2", .qwen2),
            ("qwen3", .qwen3),
        ]
        if let name = fields.value("architectures")?.elements?.first?.text {
            guard let match = names.first(where: { $0.0 == name }) else {
                throw fields.error(
                    .unsupported, "architectures",
                    "is '\(name)'; supported: " + names.map(\.0).joined(separator: ", "))
            }
            if let type = try fields.text("model_type"), types.first(where: { $0.0 == type })?.1 != match.1 {
                throw fields.error(
                    .inconsistent, "model_type",
                    "is '\(type)', 'architectures' names \(name), which is of another type",
                    advice: "correct the one that is wrong")
            }
            return match.1
        }
        let type = try fields.required("model_type", try fields.text("model_type"))
        guard let match = types.first(where: { $0.0 == type }) else {
            throw fields.error(
                .unsupported, "model_type",
                "is '\(type)'; supported: " + types.map(\.0).joined(separator: ", "))
        }
        return match.1
    }

    /// Bases and scaling: `rope_theta` and `rope_scaling`, or both in `rope_parameters`, which has one set for
    /// each kind of layer where there are two. Where both are there, `rope_scaling` counts unless it is empty, as in
    /// `transformers` (modeling_rope_utils.py, `convert_rope_params_to_dict`).
    private mutating func readRope(_ fields: HubFields) throws(CheckpointError) {
        let parameters = try fields.object("rope_parameters")
        var full = try parameters?.object("full_attention") ?? parameters
        let oldScaling = try fields.object("rope_scaling")
        let scalesOldWay = oldScaling?.json.members?.isEmpty == false
        // Gemma's sets keep the bases that `rope_scaling` does not touch.
        if scalesOldWay, architecture != .gemma3 { full = nil }
        let oldBase = try fields.positive("rope_theta")
        var scaledBase: Double?
        if scalesOldWay { scaledBase = try oldScaling?.positive("rope_theta") }
        let fullBase = try full?.positive("rope_theta")
        ropeBase = scaledBase ?? fullBase ?? oldBase ?? ropeBase
        if architecture == .gemma3 {
            let local = try parameters?.object("sliding_attention")
            let oldLocalBase = try fields.positive("rope_local_base_freq")
            ropeLocalBase = try local?.positive("rope_theta") ?? oldLocalBase ?? 10_000
            if let local, try Self.ropeType(local) != "default" {
                obstacles.append(
                    local.error(
                        .unsupported, "sliding_attention",
                        "scales the positions of sliding layers, which GGUF cannot say"))
            }
        }
        guard let scaling = scalesOldWay ? oldScaling : full ?? oldScaling else { return }
        try tolerate { configuration throws(CheckpointError) in try configuration.readScaling(scaling, fields)
        }
    }

    private static func ropeType(_ scaling: HubFields) throws(CheckpointError) -> String {
        let oldType = try scaling.text("type")
        return try scaling.text("rope_type") ?? oldType ?? "default"
    }

    private mutating func readScaling(_ scaling: HubFields, _ fields: HubFields) throws(CheckpointError) {
        let type = try Self.ropeType(scaling)
        switch type {
        case "default": break
        case "linear":
            ropeScaling = .linear(factor: try scaling.required("factor", try scaling.positive("factor")))
        case "llama3" where architecture == .llama:
            let low = try scaling.positive("low_freq_factor") ?? 1
            let high = try scaling.positive("high_freq_factor") ?? 4
            guard high > low else {
                throw scaling.error(.malformed, "high_freq_factor", "is \(high), expected more than \(low)")
            }
            ropeScaling = .llama3(
                factor: try scaling.positive("factor") ?? 8, lowFrequency: low, highFrequency: high,
                originalContext: try originalContext(scaling, fields) ?? 8192)
        case "yarn": ropeScaling = .yarn(try yarn(scaling, fields))
        default:
            throw scaling.error(
                .unsupported, "rope_type",
                "is '\(type)'; supported: default, linear, yarn, llama3 (Llama only)")
        }
    }

    /// What stands outside of the scaling counts before what stands in it.
    private func originalContext(_ scaling: HubFields, _ fields: HubFields) throws(CheckpointError) -> Int? {
        let inner = try scaling.count("original_max_position_embeddings")
        return try fields.count("original_max_position_embeddings") ?? inner
    }

    /// `_compute_yarn_parameters` of `transformers` (modeling_rope_utils.py).
    private func yarn(_ scaling: HubFields, _ fields: HubFields) throws(CheckpointError) -> YaRN {
        let original = try originalContext(scaling, fields)
        let ratio = original.map { Double(contextLength) / Double($0) }
        var yarn = YaRN(
            factor: try scaling.required("factor", try scaling.positive("factor") ?? ratio),
            originalContext: original ?? contextLength)
        let (scale, scaleAll) = (try scaling.nonNegative("mscale"), try scaling.nonNegative("mscale_all_dim"))
        if let stated = try scaling.positive("attention_factor") {
            yarn.attentionFactor = stated
        } else if let scale, let scaleAll, scale > 0, scaleAll > 0 {
            let usual = yarn.usualAttentionFactor - 1
            yarn.attentionFactor = (scale * usual + 1) / (scaleAll * usual + 1)
        }
        yarn.betaFast = try scaling.positive("beta_fast") ?? 32
        yarn.betaSlow = try scaling.positive("beta_slow") ?? 1
        yarn.truncates = try scaling.flag("truncate") ?? true
        return yarn
    }

    private mutating func readGemma3(_ fields: HubFields) throws(CheckpointError) {
        queryScalar = try fields.positive("query_pre_attn_scalar") ?? 256
        finalLogitSoftcap = try fields.positive("final_logit_softcapping")
        let window = try fields.count("sliding_window") ?? 4096
        var pattern = SlidingPattern.period(try fields.count("sliding_window_pattern") ?? 6)
        if let types = fields.value("layer_types") {
            pattern = try Self.pattern(types, layerCount: layerCount, fields)
        }
        guard pattern != .period(1), pattern != .layers([Bool](repeating: false, count: layerCount)) else {
            return
        }
        slidingWindow = window
        slidingPattern = pattern
    }

    private static func pattern(
        _ types: JSONValue, layerCount: Int, _ fields: HubFields
    ) throws(CheckpointError) -> SlidingPattern {
        guard let elements = types.elements, elements.count == layerCount else {
            throw fields.error(.inconsistent, "layer_types", "does not have \(layerCount) elements")
        }
        var sliding: [Bool] = []
        for element in elements {
            switch element.text {
            case "sliding_attention": sliding.append(true)
            case "full_attention": sliding.append(false)
            default:
                throw fields.error(
                    .unsupported, "layer_types",
                    "has an element \(element.serialized(pretty: false)), expected sliding_attention or full_attention"
                )
            }
        }
        let isUsual = sliding.enumerated().allSatisfy { layer, slides in slides == (layer % 6 != 5) }
        return isUsual ? .period(6) : .layers(sliding)
    }

    private func checkHeads(_ fields: HubFields) throws(CheckpointError) {
        guard headCount.isMultiple(of: keyValueHeadCount) else {
            throw fields.error(
                .inconsistent, "num_key_value_heads",
                "is \(keyValueHeadCount), which does not divide \(headCount) heads")
        }
        guard headDimension > 0, headDimension.isMultiple(of: 2) else {
            guard fields.value("head_dim") != nil else {
                throw fields.error(
                    .inconsistent, "num_attention_heads",
                    "makes \(headCount) heads of a width of \(embeddingLength) ('hidden_size'), "
                        + "expected heads of an even width")
            }
            throw fields.error(.unsupported, "head_dim", "is \(headDimension), expected an even number")
        }
        for count in ["num_local_experts", "num_experts"] where (try fields.count(count) ?? 1) > 1 {
            throw fields.error(
                .unsupported, count, "says that this is a mixture of experts, which is not supported")
        }
    }

    /// Fields that change the computation in a way that is not followed here.
    private mutating func noteUnsupported(_ fields: HubFields) throws(CheckpointError) {
        if fields.value("attn_logit_softcapping") != nil {
            obstacles.append(
                fields.error(
                    .unsupported, "attn_logit_softcapping", "cannot be expressed in GGUF for this model"))
        }
        // Each family of `transformers` reads one of the two names, and has a default for it.
        let name = architecture == .gemma3 ? "hidden_activation" : "hidden_act"
        let expected = architecture == .gemma3 ? ["gelu_pytorch_tanh"] : ["silu", "swish"]
        if let activation = try fields.text(name), !expected.contains(activation) {
            obstacles.append(
                fields.error(.unsupported, name, "is '\(activation)', expected \(expected[0])"))
        }
        try noteOtherAttention(fields)
    }

    /// Masks other than the causal one of the architecture.
    private mutating func noteOtherAttention(_ fields: HubFields) throws(CheckpointError) {
        if architecture != .gemma3 {
            if try fields.flag("use_sliding_window") == true {
                obstacles.append(
                    fields.error(
                        .unsupported, "use_sliding_window", "is true, which llama.cpp does not follow"))
            }
            let types = fields.value("layer_types")?.elements ?? []
            if let other = types.first(where: { $0.text != "full_attention" }) {
                obstacles.append(
                    fields.error(
                        .unsupported, "layer_types",
                        "has an element \(other.serialized(pretty: false)), which llama.cpp does not follow"))
            }
        }
        if try fields.flag("use_bidirectional_attention") == true {
            obstacles.append(
                fields.error(
                    .unsupported, "use_bidirectional_attention",
                    "is true; only causal models are supported"))
        }
        if try fields.flag("is_causal") == false {
            obstacles.append(
                fields.error(.unsupported, "is_causal", "is false; only causal models are supported"))
        }
    }
}
