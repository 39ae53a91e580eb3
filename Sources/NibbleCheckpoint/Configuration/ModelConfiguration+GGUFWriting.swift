extension ModelConfiguration {
    /// The keys of the architecture in the order and types of llama.cpp's converter (conversion/base.py,
    /// `set_gguf_parameters`), with `general.file_type` where the converter puts it.
    ///
    /// - Throws: ``CheckpointError`` where GGUF has no key for what the configuration says.
    func ggufEntries(fileType: UInt32, path: String) throws(CheckpointError) -> [(
        key: String, value: GGUFValue
    )] {
        if let obstacle = obstacles.first { throw obstacle }
        let prefix = architecture.rawValue
        var entries: [(key: String, value: GGUFValue)] = []
        func add(_ name: String, _ value: GGUFValue) { entries.append((prefix + "." + name, value)) }
        func add(_ name: String, _ count: Int) { add(name, .uint32(UInt32(clamping: count))) }
        func add(_ name: String, _ number: Double) { add(name, .float32(Float(number))) }
        add("block_count", layerCount)
        add("context_length", contextLength)
        add("embedding_length", embeddingLength)
        add("feed_forward_length", feedForwardLength)
        add("attention.head_count", headCount)
        add("attention.head_count_kv", keyValueHeadCount)
        switch ropeScaling {
        case .linear(let factor):
            add("rope.scaling.type", .string("linear"))
            add("rope.scaling.factor", factor)
        case .yarn(let yarn):
            try checkYaRN(yarn, path: path)
            add("rope.scaling.type", .string("yarn"))
            add("rope.scaling.factor", yarn.factor)
            add("rope.scaling.original_context_length", yarn.originalContext)
            // llama.cpp multiplies the usual factor with this one.
            let attention = yarn.magnitude / yarn.usualAttentionFactor
            if Float(attention) != 1 { add("rope.scaling.attn_factor", attention) }
        case nil, .llama3, .divisors: break
        }
        add("rope.freq_base", ropeBase)
        if let ropeLocalBase { add("rope.freq_base_swa", ropeLocalBase) }
        add("attention.layer_norm_rms_epsilon", normEpsilon)
        if statesHeadDimension {
            add("attention.key_length", headDimension)
            add("attention.value_length", headDimension)
        }
        entries.append((GGUFKey.fileType, .uint32(fileType)))
        switch architecture {
        case .gemma3:
            try checkQueryScalar(path: path)
            if let finalLogitSoftcap { add("final_logit_softcapping", finalLogitSoftcap) }
            if let slidingWindow { add("attention.sliding_window", slidingWindow) }
            // 6 is llama.cpp's default; its converter loses any other pattern.
            switch slidingPattern {
            case .period(let period) where period != 6: add("attention.sliding_window_pattern", period)
            case .layers(let flags):
                add("attention.sliding_window_pattern", .array(.bool, flags.map { .bool($0) }))
            default: break
            }
        case .llama:
            add("vocab_size", vocabularySize)
            add("rope.dimension_count", headDimension)
        case .qwen2, .qwen3: break
        }
        return entries
    }

    /// What llama.cpp takes for granted for these architectures (llama-context.cpp), whatever the file says.
    private func checkYaRN(_ yarn: YaRN, path: String) throws(CheckpointError) {
        func check(_ name: String, _ isUsual: Bool, _ problem: String) throws(CheckpointError) {
            guard !isUsual else { return }
            throw CheckpointError(
                .unsupported, path: path, subject: "'\(name)'", problem + ", whatever a GGUF file says")
        }
        try check("beta_fast", yarn.betaFast == 32, "is \(yarn.betaFast); llama.cpp takes 32")
        try check("beta_slow", yarn.betaSlow == 1, "is \(yarn.betaSlow); llama.cpp takes 1")
        try check("truncate", yarn.truncates, "is false; llama.cpp takes true")
        let isUsual = yarn.magnitude == yarn.usualAttentionFactor
        try check(
            "attention_factor", architecture != .gemma3 || isUsual,
            "makes \(yarn.magnitude); for Gemma 3 llama.cpp takes \(yarn.usualAttentionFactor)")
    }

    /// llama.cpp derives the scale of attention from the width of heads, with an exception for 62 layers.
    private func checkQueryScalar(path: String) throws(CheckpointError) {
        let expected = layerCount == 62 ? Double(embeddingLength) / Double(headCount) : Double(headDimension)
        guard let queryScalar, queryScalar != expected else { return }
        throw CheckpointError(
            .unsupported, path: path, subject: "'query_pre_attn_scalar'",
            "is \(queryScalar); GGUF can express \(expected) only for this model")
    }

    /// The values of the tensor `rope_freqs.weight`; nil where rotary positions are not scaled as in Llama 3.
    public var llama3FrequencyFactors: [Float]? {
        ropeScaling?.llama3Divisors(base: ropeBase, headDimension: headDimension)
    }
}
