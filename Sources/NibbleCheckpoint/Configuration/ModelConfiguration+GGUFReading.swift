extension ModelConfiguration {
    /// Blocks that llama.cpp allows (`LLAMA_MAX_LAYERS`).
    static let maximumLayerCount = 512
    /// Blocks of the one Gemma 3 whose attention scale is not that of its heads (llama.cpp, gemma3.cpp).
    static let gemma3LargestLayerCount = 62
    /// Period of the sliding layers of Gemma 3 where the file states none.
    static let gemma3SlidingPeriod = 6

    /// Reads the shape of a model from GGUF metadata, with the rules and defaults of llama.cpp's loader
    /// (llama-model.cpp, `load_hparams`; models/gemma3.cpp and its siblings).
    ///
    /// - Parameters:
    ///   - hasOutputTensor: Whether there is an `output.weight`; without it the embeddings are tied.
    ///   - ropeFrequencyFactors: The divisors in `rope_freqs.weight`, the only trace of Llama 3's scaling.
    /// - Throws: ``CheckpointError`` where a required key is missing, a key has another type than llama.cpp
    ///   asks for, or the model uses what Nibble does not support.
    public init(
        ggufMetadata: GGUFMetadata, path: String, hasOutputTensor: Bool, ropeFrequencyFactors: [Float]?
    ) throws(CheckpointError) {
        let fields = GGUFFields(metadata: ggufMetadata, path: path)
        let name = try fields.required(GGUFKey.architecture, try fields.text(GGUFKey.architecture))
        guard let architecture = Architecture(rawValue: name) else {
            throw fields.error(
                .unsupported, GGUFKey.architecture,
                "is '\(name)'; supported: \(Architecture.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.architecture = architecture
        contextLength = try fields.positive("\(name).context_length")
        embeddingLength = try fields.positive("\(name).embedding_length")
        layerCount = try fields.positive("\(name).block_count")
        guard layerCount <= Self.maximumLayerCount else {
            throw fields.error(
                .malformed, "\(name).block_count",
                "is \(layerCount), at most \(Self.maximumLayerCount) are possible")
        }
        feedForwardLength = try fields.positiveUniform("\(name).feed_forward_length", layers: layerCount)
        headCount = try fields.positiveUniform("\(name).attention.head_count", layers: layerCount)
        let keyValueKey = "\(name).attention.head_count_kv"
        keyValueHeadCount = try fields.uniformCount(keyValueKey, layers: layerCount) ?? headCount
        guard keyValueHeadCount > 0, headCount.isMultiple(of: keyValueHeadCount) else {
            throw fields.error(
                .malformed, keyValueKey,
                "is \(keyValueHeadCount), which does not divide the \(headCount) heads")
        }
        headDimension = try Self.headDimension(fields, name, embeddingLength / headCount)
        let epsilonKey = "\(name).attention.layer_norm_rms_epsilon"
        let epsilon = try fields.required(epsilonKey, try fields.float(epsilonKey))
        guard epsilon > 0 else { throw fields.error(.invalidValue, epsilonKey, "is \(epsilon)") }
        normEpsilon = epsilon.decimal
        ropeBase = try fields.positiveFloat("\(name).rope.freq_base") ?? 10_000
        tiesEmbeddings = !hasOutputTensor
        let tokens = try fields.required(
            TokenizerKey.tokens, try ggufMetadata.elementCount(TokenizerKey.tokens))
        vocabularySize = tokens
        ropeLocalBase = nil
        slidingWindow = nil
        slidingPattern = nil
        queryScalar = nil
        finalLogitSoftcap = nil
        statesHeadDimension = architecture != .qwen2 || ggufMetadata.contains("\(name).attention.key_length")
        try readGemma3(fields)
        ropeScaling = nil
        ropeScaling = try Self.ropeScaling(
            fields, name, ropeFrequencyFactors, base: ropeBase, headDimension: headDimension)
        try refuseUnsupported(fields)
    }

    private static func headDimension(
        _ fields: GGUFFields, _ name: String, _ usual: Int
    ) throws(CheckpointError) -> Int {
        let keyLength = try fields.count("\(name).attention.key_length") ?? usual
        guard keyLength > 0, keyLength.isMultiple(of: 2) else {
            throw fields.error(
                .malformed, "\(name).attention.key_length",
                "makes heads of width \(keyLength), expected an even number above 0")
        }
        // The other widths that a file may state; all supported models have one width.
        let others = ["attention.value_length", "attention.key_length_swa", "attention.value_length_swa"]
        for other in others + ["rope.dimension_count", "rope.dimension_count_swa"] {
            guard let width = try fields.count("\(name).\(other)"), width != keyLength else { continue }
            throw fields.error(
                .unsupported, "\(name).\(other)", "is \(width), heads have a width of \(keyLength)")
        }
        if try fields.count("\(name).attention.value_length") == nil, keyLength != usual {
            throw fields.error(
                .unsupported, "\(name).attention.value_length",
                "is missing, so values have a width of \(usual) and keys of \(keyLength)")
        }
        return keyLength
    }

    private mutating func readGemma3(_ fields: GGUFFields) throws(CheckpointError) {
        guard architecture == .gemma3 else { return }
        let name = architecture.rawValue
        if layerCount == Self.gemma3LargestLayerCount { queryScalar = Double(embeddingLength / headCount) }
        if let cap = try fields.float("\(name).final_logit_softcapping"), cap != 0 {
            finalLogitSoftcap = cap.decimal
        }
        guard let window = try fields.count("\(name).attention.sliding_window"), window > 0 else { return }
        slidingWindow = window
        slidingPattern = try slidingPattern(fields, "\(name).attention.sliding_window_pattern")
        ropeLocalBase = try fields.positiveFloat("\(name).rope.freq_base_swa") ?? 10_000
    }

    private func slidingPattern(_ fields: GGUFFields, _ key: String) throws(CheckpointError) -> SlidingPattern
    {
        guard let value = try fields.metadata.value(key) else { return .period(Self.gemma3SlidingPeriod) }
        guard case .array(let type, let elements) = value else {
            let period = try fields.required(key, try fields.count(key))
            // A period of 0 means that no layer is global.
            return period > 0 ? .period(period) : .layers(Array(repeating: true, count: layerCount))
        }
        guard [.bool, .uint32, .int32].contains(type) else {
            throw fields.wrongType(key, "uint32 or array of bool", value)
        }
        guard elements.count == layerCount else {
            throw fields.error(
                .inconsistent, key, "has \(elements.count) elements, the model has \(layerCount) blocks")
        }
        return .layers(elements.map { $0.flag ?? ($0.integer != 0) })
    }

    private static func ropeScaling(
        _ fields: GGUFFields, _ name: String, _ divisors: [Float]?, base: Double, headDimension: Int
    ) throws(CheckpointError) -> RopeScaling? {
        let typeKey = "\(name).rope.scaling.type"
        let type = try fields.text(typeKey) ?? "linear"
        guard type == "linear" || type == "none" else {
            throw fields.error(.unsupported, typeKey, "is '\(type)'; supported: none, linear")
        }
        let factorKey = "\(name).rope.scaling.factor"
        // The second key is the name in older files.
        let olderFactor = try fields.float("\(name).rope.scale_linear")
        let factor = try fields.float(factorKey) ?? olderFactor ?? 0
        guard factor >= 0 else { throw fields.error(.invalidValue, factorKey, "is \(factor)") }
        let isLinear = type == "linear" && factor != 0 && factor != 1
        guard let divisors else { return isLinear ? .linear(factor: factor.decimal) : nil }
        guard !isLinear else {
            throw fields.error(
                .unsupported, factorKey, "scales positions beside the tensor 'rope_freqs.weight'")
        }
        return try RopeScaling.llama3(
            divisors: divisors, base: base, headDimension: headDimension, path: fields.path)
    }

    /// Keys that change what llama.cpp computes in a way that Nibble does not follow.
    private func refuseUnsupported(_ fields: GGUFFields) throws(CheckpointError) {
        let name = architecture.rawValue
        for key in ["expert_count", "nextn_predict_layers"] {
            guard let count = try fields.count("\(name).\(key)"), count > 0 else { continue }
            throw fields.error(.unsupported, "\(name).\(key)", "is \(count); only dense models are supported")
        }
        if try fields.flag("\(name).attention.causal") == false {
            throw fields.error(
                .unsupported, "\(name).attention.causal", "is false; only causal models are supported")
        }
        if let factor = try fields.float("\(name).rope.scaling.attn_factor"), factor != 1 {
            throw fields.error(.unsupported, "\(name).rope.scaling.attn_factor", "is \(factor), expected 1")
        }
        if architecture == .qwen2, headDimension * headCount != embeddingLength {
            throw fields.error(
                .unsupported, "\(name).attention.head_count",
                "makes \(headCount) heads of width \(headDimension), which together are not "
                    + "\(embeddingLength) wide")
        }
    }
}

extension GGUFFields {
    fileprivate func positive(_ key: String) throws(CheckpointError) -> Int {
        try positive(key, try required(key, try count(key)))
    }

    fileprivate func positiveUniform(_ key: String, layers: Int) throws(CheckpointError) -> Int {
        try positive(key, try required(key, try uniformCount(key, layers: layers)))
    }

    private func positive(_ key: String, _ value: Int) throws(CheckpointError) -> Int {
        guard value > 0 else { throw error(.malformed, key, "is \(value)") }
        return value
    }

    fileprivate func positiveFloat(_ key: String) throws(CheckpointError) -> Double? {
        guard let value = try float(key) else { return nil }
        guard value > 0 else { throw error(.invalidValue, key, "is \(value)") }
        return value.decimal
    }
}

extension Float {
    /// The number that the shortest decimal spelling of this one stands for: 1e-06 rather than
    /// 9.999999974752427e-07. It rounds back to the same `Float`.
    var decimal: Double { Double(description) ?? Double(self) }
}
