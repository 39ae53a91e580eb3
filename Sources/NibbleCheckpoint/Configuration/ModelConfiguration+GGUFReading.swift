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
    ///   - embeddingRows: Rows of the token embedding, which count where there is no list of tokens.
    ///   - ropeFrequencyFactors: The divisors in `rope_freqs.weight`, the only trace of Llama 3's scaling.
    /// - Throws: ``CheckpointError`` where a required key is missing or a key has another type than llama.cpp
    ///   asks for. What only computing would need stands in ``obstacles``.
    public init(
        ggufMetadata: GGUFMetadata, path: String, hasOutputTensor: Bool, embeddingRows: Int? = nil,
        ropeFrequencyFactors: [Float]?
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
        var differences: [CheckpointError] = []
        feedForwardLength = try fields.positiveCount(
            "\(name).feed_forward_length", layers: layerCount, &differences)
        headCount = try fields.positiveCount("\(name).attention.head_count", layers: layerCount, &differences)
        let keyValueKey = "\(name).attention.head_count_kv"
        keyValueHeadCount =
            try fields.blockCount(keyValueKey, layers: layerCount, &differences) ?? headCount
        guard keyValueHeadCount > 0, headCount.isMultiple(of: keyValueHeadCount) else {
            throw fields.error(
                .malformed, keyValueKey,
                "is \(keyValueHeadCount), which does not divide the \(headCount) heads")
        }
        headDimension = try Self.headDimension(fields, name, embeddingLength / headCount, &differences)
        let epsilonKey = "\(name).attention.layer_norm_rms_epsilon"
        let epsilon = try fields.required(epsilonKey, try fields.float(epsilonKey))
        guard epsilon >= 0 else { throw fields.error(.invalidValue, epsilonKey, "is \(epsilon)") }
        normEpsilon = epsilon.decimal
        ropeBase = try fields.positiveFloat("\(name).rope.freq_base", &differences) ?? 10_000
        tiesEmbeddings = !hasOutputTensor
        vocabularySize = try fields.required(
            TokenizerKey.tokens, try ggufMetadata.elementCount(TokenizerKey.tokens) ?? embeddingRows)
        ropeLocalBase = nil
        slidingWindow = nil
        slidingPattern = nil
        queryScalar = nil
        finalLogitSoftcap = nil
        statesHeadDimension = architecture != .qwen2 || ggufMetadata.contains("\(name).attention.key_length")
        ropeScaling = nil
        hasUniformBlocks = differences.isEmpty
        obstacles = differences
        try readGemma3(fields)
        try readRopeScaling(fields, ropeFrequencyFactors)
        try noteUnsupported(fields)
    }

    /// Keeps an error of what is merely not supported as an obstacle to computing.
    mutating func tolerate(
        _ read: (inout Self) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        do throws(CheckpointError) {
            try read(&self)
        } catch {
            guard error.code == .unsupported else { throw error }
            obstacles.append(error)
        }
    }

    private static func headDimension(
        _ fields: GGUFFields, _ name: String, _ usual: Int, _ differences: inout [CheckpointError]
    ) throws(CheckpointError) -> Int {
        let keyLength = try fields.count("\(name).attention.key_length") ?? usual
        guard keyLength > 0, keyLength.isMultiple(of: 2) else {
            throw fields.error(
                .malformed, "\(name).attention.key_length",
                "makes heads of width \(keyLength), expected an even number above 0")
        }
        // The other widths that a file may state; all models that can be computed have one width.
        for other in ["attention.value_length", "attention.key_length_swa", "attention.value_length_swa"] {
            guard let width = try fields.count("\(name).\(other)"), width != keyLength else { continue }
            differences.append(
                fields.error(
                    .unsupported, "\(name).\(other)", "is \(width), heads have a width of \(keyLength)"))
        }
        if try fields.count("\(name).attention.value_length") == nil, keyLength != usual {
            differences.append(
                fields.error(
                    .unsupported, "\(name).attention.value_length",
                    "is missing, so values have a width of \(usual) and keys of \(keyLength)"))
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
        ropeLocalBase = try fields.positiveFloat("\(name).rope.freq_base_swa", &obstacles) ?? 10_000
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

    /// Keys that change what llama.cpp computes in a way that Nibble does not follow.
    private mutating func noteUnsupported(_ fields: GGUFFields) throws(CheckpointError) {
        let name = architecture.rawValue
        for key in ["expert_count", "nextn_predict_layers"] {
            guard let count = try fields.count("\(name).\(key)"), count > 0 else { continue }
            obstacles.append(
                fields.error(
                    .unsupported, "\(name).\(key)", "is \(count); only dense models are supported"))
        }
        if try fields.flag("\(name).attention.causal") == false {
            obstacles.append(
                fields.error(
                    .unsupported, "\(name).attention.causal", "is false; only causal models are supported"))
        }
        for key in ["rope.dimension_count", "rope.dimension_count_swa"] {
            guard let width = try fields.count("\(name).\(key)"), width != headDimension else { continue }
            obstacles.append(
                fields.error(
                    .unsupported, "\(name).\(key)",
                    "is \(width), heads have a width of \(headDimension); a part of a head is not rotated"))
        }
    }
}

extension GGUFFields {
    fileprivate func positive(_ key: String) throws(CheckpointError) -> Int {
        try positive(key, try required(key, try count(key)))
    }

    fileprivate func positiveCount(
        _ key: String, layers: Int, _ differences: inout [CheckpointError]
    ) throws(CheckpointError) -> Int {
        try positive(key, try required(key, try blockCount(key, layers: layers, &differences)))
    }

    private func positive(_ key: String, _ value: Int) throws(CheckpointError) -> Int {
        guard value > 0 else { throw error(.malformed, key, "is \(value)") }
        return value
    }

    /// A number above 0; another one becomes an error in `obstacles`.
    fileprivate func positiveFloat(
        _ key: String, _ obstacles: inout [CheckpointError]
    ) throws(CheckpointError) -> Double? {
        guard let value = try float(key) else { return nil }
        guard value > 0 else {
            obstacles.append(error(.unsupported, key, "is \(value), expected a number above 0"))
            return nil
        }
        return value.decimal
    }
}

extension Float {
    /// The number that the shortest decimal spelling of this one stands for: 1e-06 rather than
    /// 9.999999974752427e-07. It rounds back to the same `Float`.
    var decimal: Double { Double(description) ?? Double(self) }
}
