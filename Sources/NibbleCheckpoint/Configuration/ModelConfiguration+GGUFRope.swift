// Rotary scaling in GGUF metadata (llama.cpp: llama-model.cpp, `load_hparams`; llama-context.cpp).
extension ModelConfiguration {
    /// Reads how rotary positions are stretched, with llama.cpp's defaults.
    ///
    /// - Parameter divisors: those in `rope_freqs.weight`.
    mutating func readRopeScaling(_ fields: GGUFFields, _ divisors: [Float]?) throws(CheckpointError) {
        let name = architecture.rawValue
        let attentionKey = "\(name).rope.scaling.attn_factor"
        let attention = Double(try fields.float(attentionKey) ?? 1)
        let typeKey = "\(name).rope.scaling.type"
        let type = try fields.text(typeKey) ?? "linear"
        let factorKey = "\(name).rope.scaling.factor"
        // The second key is the name in older files.
        let olderFactor = try fields.float("\(name).rope.scale_linear")
        let stated = try fields.float(factorKey) ?? olderFactor ?? 0
        // llama.cpp takes 0 for no scaling.
        let factor = stated == 0 ? 1 : stated.decimal
        let originalKey = "\(name).rope.scaling.original_context_length"
        let statedContext = try fields.count(originalKey) ?? 0
        let context = statedContext == 0 ? contextLength : statedContext
        try tolerate { configuration throws(CheckpointError) in
            guard factor > 0 else {
                throw fields.error(.unsupported, factorKey, "is \(stated), expected a number above 0")
            }
            guard ["none", "linear", "yarn"].contains(type) else {
                throw fields.error(.unsupported, typeKey, "is '\(type)'; supported: none, linear, yarn")
            }
            switch (type, factor) {
            case ("none", _), (_, 1): configuration.ropeScaling = nil
            case ("yarn", _):
                configuration.ropeScaling = .yarn(YaRN(factor: factor, originalContext: context))
            default: configuration.ropeScaling = .linear(factor: factor)
            }
            try configuration.apply(divisors, fields)
            try configuration.apply(attentionFactor: attention, fields, attentionKey)
        }
    }

    private mutating func apply(_ divisors: [Float]?, _ fields: GGUFFields) throws(CheckpointError) {
        guard let divisors else { return }
        guard ropeScaling == nil else {
            throw fields.error(
                .unsupported, "\(architecture.rawValue).rope.scaling.type",
                "scales positions beside the tensor 'rope_freqs.weight'")
        }
        ropeScaling = try RopeScaling.llama3(
            divisors: divisors, base: ropeBase, headDimension: headDimension, path: fields.path)
    }

    /// llama.cpp multiplies cosines and sines of every layer, beside what YaRN does.
    private mutating func apply(
        attentionFactor: Double, _ fields: GGUFFields, _ key: String
    ) throws(CheckpointError) {
        guard attentionFactor != 1 else { return }
        guard attentionFactor > 0 else {
            throw fields.error(.unsupported, key, "is \(attentionFactor), expected a number above 0")
        }
        if case .yarn(var yarn)? = ropeScaling, architecture != .gemma3 {
            yarn.attentionFactor = attentionFactor * yarn.usualAttentionFactor
            ropeScaling = .yarn(yarn)
        } else {
            rotaryMagnitude = attentionFactor
        }
    }
}
