/// gemma.cpp's `ModelConfig` of a Gemma 3 (`gemma/configs.h`), as far as it says what is computed.
struct SBSConfiguration: Equatable {
    /// How gemma.cpp calls the model: of its enum `Model`.
    var model: Int
    /// How it writes a conversation: 0 as instructed models have it, 1 not at all, 2 as models that see.
    var wrapping: Int
    /// The type of the matrices with the fewest bits.
    var weight: SBSType
    var layerCount: Int
    var width: Int
    var vocabularySize: Int
    var contextLength: Int
    /// Whether scores are scaled by the width per head rather than by that of a head.
    var scalesByWidthPerHead: Bool
    var feedForwardLength: Int
    var headCount: Int
    var keyValueHeadCount: Int
    var headDimension: Int
    /// Keys that each layer sees.
    var windows: [Int]

    /// The Gemma 3 models of gemma.cpp's enum, by their layers.
    private static let models: [(layers: Int, number: Int, name: String)] = [
        (18, 18, "Gemma3_270M"), (26, 15, "Gemma3_1B"), (34, 14, "Gemma3_4B"), (48, 16, "Gemma3_12B"),
        (62, 17, "Gemma3_27B"),
    ]

    /// - Throws: ``CheckpointError`` where gemma.cpp does not compute the model.
    init(
        _ configuration: ModelConfiguration, weight: SBSType, hasChatTemplate: Bool, path: String
    ) throws(CheckpointError) {
        func refused(_ problem: String) -> CheckpointError {
            CheckpointError(
                .unsupported, path: path, problem,
                advice: "gemma.cpp runs Gemma 3; for other models choose llama.cpp")
        }
        guard configuration.architecture == .gemma3 else {
            throw refused("is a \(configuration.architecture.rawValue), which gemma.cpp does not run")
        }
        guard let window = configuration.slidingWindow, configuration.tiesEmbeddings else {
            throw refused(
                "has no sliding window, or a head of its own, which gemma.cpp does not know of Gemma 3")
        }
        guard configuration.hasUniformBlocks, configuration.finalLogitSoftcap == nil else {
            throw refused("has blocks or logits of another form than gemma.cpp's Gemma 3")
        }
        // The tables of cosines have these bases.
        guard configuration.ropeBase == 1_000_000, (configuration.ropeLocalBase ?? 10_000) == 10_000 else {
            throw refused("has other bases of the rotary embedding than gemma.cpp's 1,000,000 and 10,000")
        }
        let perHead = Double(configuration.embeddingLength) / Double(configuration.headCount)
        let scalar = configuration.queryScalar ?? Double(configuration.headDimension)
        guard scalar == Double(configuration.headDimension) || scalar == perHead else {
            throw refused("scales attention by \(scalar), which gemma.cpp cannot be told")
        }
        scalesByWidthPerHead = scalar != Double(configuration.headDimension)
        layerCount = configuration.layerCount
        let known = Self.models.first { [layerCount] in $0.layers == layerCount }
        model = known?.number ?? 18
        // gemma.cpp takes all sizes but the smallest for models that see.
        wrapping = hasChatTemplate ? (model == 18 ? 0 : 2) : 1
        self.weight = weight
        width = configuration.embeddingLength
        vocabularySize = configuration.vocabularySize
        contextLength = min(configuration.contextLength, 32_768)
        feedForwardLength = configuration.feedForwardLength
        headCount = configuration.headCount
        keyValueHeadCount = configuration.keyValueHeadCount
        headDimension = configuration.headDimension
        windows = (0..<layerCount).map { [contextLength] layer in
            configuration.isSliding(layer: layer) ? window : contextLength
        }
    }

    // MARK: - Fields

    /// The blob `config`.
    var bytes: [UInt8] {
        var writer = SBSFieldWriter()
        writer.object { fields in
            fields.add(1)  // model_family_version
            fields.add(Self.models.first { $0.number == model }?.name ?? "")
            fields.add(model)
            fields.add(wrapping)
            fields.add(weight.rawValue)
            for number in [layerCount, width, vocabularySize, contextLength] { fields.add(number) }
            fields.add(0)  // unused
            fields.add(Float(0))  // att_cap
            fields.add(Float(0))  // final_cap
            fields.add(false)  // absolute_pe
            fields.add(false)  // unused
            fields.add(scalesByWidthPerHead)
            fields.add(layerCount)
            for _ in 0..<layerCount { addLayer(to: &fields) }
            fields.add(windows)
            fields.add(1)  // norm_num_groups
            fields.object { vision in
                for number in [0, 0, 0, 14, 224] { vision.add(number) }
                vision.add([Int]())
                vision.add(1)
            }
            fields.add(1)  // pool_dim
            fields.add(1)  // eos_id
            fields.add(106)  // secondary_eos_id
            fields.add([
                "att_ein", "qkv_ein", "gr_lin_x_w", "gr_lin_y_w", "gr_lin_out_w", "gr_gate_w", "gating_ein",
                "linear_w",
            ])
        }
        return writer.bytes
    }

    private func addLayer(to fields: inout SBSFieldWriter) {
        fields.object { layer in
            for number in [width, 0, feedForwardLength, headCount, keyValueHeadCount, headDimension, 0] {
                layer.add(number)
            }
            layer.add(false)  // ff_biases
            layer.add(false)  // unused
            layer.add(true)  // optimized_gating
            layer.add(1)  // post_norm: Scale
            layer.add(0)  // type: kGemma
            layer.add(0)  // activation: Gelu
            layer.add(0)  // post_qk: Rope
            layer.add(true)  // use_qk_norm
        }
    }

    /// Reads the blob `config`.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
        var reader = try SBSFieldReader(bytes, path: path, subject: "blob 'config'")
        self = try reader.object { fields throws(CheckpointError) in
            _ = fields.number()
            let name = try fields.text()
            let (model, wrapping, weight) = (fields.number(), fields.number(), fields.number())
            guard Self.models.contains(where: { $0.number == model }) else {
                throw CheckpointError(
                    .unsupported, path: path, subject: "blob 'config'",
                    "is of the model \(name.isEmpty ? "number \(model)" : name); Gemma 3 is read")
            }
            let (layerCount, width, vocabularySize) = (fields.number(), fields.number(), fields.number())
            let contextLength = fields.number()
            _ = fields.number()
            let (attentionCap, finalCap) = (fields.float(), fields.float())
            let positions = fields.flag()
            _ = fields.number()
            let scales = fields.flag()
            let layers = try fields.list { item throws(CheckpointError) in
                try item.object { layer -> [Int] in (0..<15).map { _ in layer.number() } }
            }
            let windows = try fields.list { $0.number() }
            guard layers.count == layerCount, windows.count == layerCount, let first = layers.first,
                layers.allSatisfy({ $0 == first })
            else { throw fields.error("describes \(layers.count) layers, not \(layerCount) that are alike") }
            // Products of these are sizes.
            let extents = [width, vocabularySize, contextLength] + first[2...5]
            guard extents.allSatisfy({ (1...1 << 24).contains($0) }) else {
                throw fields.error("describes extents of \(extents.map(String.init).joined(separator: ", "))")
            }
            // Of a layer: width, -, feed-forward, heads, key and value heads, head, -, biases, -, gating, norm, kind,
            // activation, positions, norms of queries and keys.
            guard first[0] == width, first[7] == 0, Array(first[10...]) == [1, 0, 0, 0, 1], attentionCap == 0,
                finalCap == 0, !positions
            else { throw fields.error("describes layers of another form than those of Gemma 3") }
            return SBSConfiguration(
                model: model, wrapping: wrapping, weight: SBSType(rawValue: weight) ?? .unknown,
                layerCount: layerCount, width: width, vocabularySize: vocabularySize,
                contextLength: contextLength, scalesByWidthPerHead: scales, feedForwardLength: first[2],
                headCount: first[3], keyValueHeadCount: first[4], headDimension: first[5], windows: windows)
        }
    }

    private init(
        model: Int, wrapping: Int, weight: SBSType, layerCount: Int, width: Int, vocabularySize: Int,
        contextLength: Int, scalesByWidthPerHead: Bool, feedForwardLength: Int, headCount: Int,
        keyValueHeadCount: Int, headDimension: Int, windows: [Int]
    ) {
        (self.model, self.wrapping, self.weight) = (model, wrapping, weight)
        (self.layerCount, self.width, self.vocabularySize) = (layerCount, width, vocabularySize)
        (self.contextLength, self.scalesByWidthPerHead) = (contextLength, scalesByWidthPerHead)
        (self.feedForwardLength, self.headCount) = (feedForwardLength, headCount)
        (self.keyValueHeadCount, self.headDimension) = (keyValueHeadCount, headDimension)
        self.windows = windows
    }

    /// The shape of the model. Positions of global layers are stretched as those of the model's size are on the hub, which
    /// gemma.cpp does not state.
    func configuration(path: String) throws(CheckpointError) -> ModelConfiguration {
        let local = windows.filter { $0 < contextLength }
        let scalar =
            scalesByWidthPerHead && headCount > 0 ? Double(width) / Double(headCount) : Double(headDimension)
        let layerTypes = windows.map {
            JSONValue.string($0 < contextLength ? "sliding_attention" : "full_attention")
        }
        var members: [JSONValue.Member] = [
            .init("model_type", .string("gemma3_text")), .init("hidden_size", .integer(width)),
            .init("num_hidden_layers", .integer(layerCount)),
            .init("num_attention_heads", .integer(headCount)),
            .init("num_key_value_heads", .integer(keyValueHeadCount)),
            .init("head_dim", .integer(headDimension)),
            .init("intermediate_size", .integer(feedForwardLength)),
            .init("vocab_size", .integer(vocabularySize)),
            .init("sliding_window", .integer(local.first ?? 512)),
            .init("layer_types", .array(layerTypes)), .init("query_pre_attn_scalar", .real(scalar)),
            .init("max_position_embeddings", .integer(contextLength)),
        ]
        let known = KnownModel.all.first {
            $0.configuration.architecture == .gemma3 && $0.configuration.layerCount == layerCount
                && $0.configuration.embeddingLength == width
        }
        if case .linear(let factor)? = known?.configuration.ropeScaling {
            members.append(
                .init("rope_scaling", .members(["rope_type": .string("linear"), "factor": .real(factor)])))
        }
        return try ModelConfiguration(hubConfiguration: .object(members), path: path)
    }
}

/// gemma.cpp's types of elements (`compression/types.h`).
enum SBSType: Int {
    case unknown, f32, bf16, sfp, nuq, f64, u32, u64, i8

    /// Bytes of an element of those types that have whole ones.
    var elementBytes: Int? {
        switch self {
        case .f32: 4
        case .bf16: 2
        case .sfp: 1
        default: nil
        }
    }
}
