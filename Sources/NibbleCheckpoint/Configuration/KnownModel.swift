/// A model whose shape is known without a checkpoint, by its name on the hub.
///
/// ```swift
/// let model = try KnownModel.named("gemma-3-27b")
/// print(model.configuration.layerCount)  // 62
/// ```
public struct KnownModel: Sendable {
    /// Its name, in lower case: `gemma-3-4b`, `llama-3.1-8b`, `qwen3-0.6b`.
    public let name: String
    /// Its shape; of multimodal models that of the text model.
    public let configuration: ModelConfiguration
    /// Parameters of a vision tower and its projector, which GGUF has in a file of their own; 0 without.
    public let visionParameterCount: Int

    /// All of them, family by family, from small to large.
    public static let all = gemma3 + llama3 + qwen25 + qwen3 + smollm2

    /// The model of a name, in capitals or not, with or without the `-it`, `-pt` or `-instruct` of its variants and the name of
    /// who published it.
    ///
    /// - Throws: ``CheckpointError`` (`.invalidRequest`) with near names where there is none.
    public static func named(_ name: String) throws(CheckpointError) -> KnownModel {
        var plain = name.lowercased()
        if let slash = plain.lastIndex(of: "/") { plain = String(plain[plain.index(after: slash)...]) }
        if plain.hasPrefix("meta-llama-") { plain = String(plain.dropFirst(5)) }
        for ending in ["-it", "-pt", "-instruct", "-base"] where plain.hasSuffix(ending) {
            plain = String(plain.dropLast(ending.count))
        }
        if let model = all.first(where: { $0.name == plain }) { return model }
        let names = all.map(\.name)
        throw CheckpointError(
            .invalidRequest, path: name, "is no checkpoint, and no model whose shape is known",
            advice: NearestName.advice(plain, among: names)
                ?? "known are " + names.joined(separator: ", "))
    }

    private init(_ name: String, vision: Int = 0, _ fields: KeyValuePairs<String, JSONValue>) {
        self.name = name
        visionParameterCount = vision
        do {
            let stated = fields.filter { !$0.value.isNull }.map { JSONValue.Member($0.key, $0.value) }
            configuration = try ModelConfiguration(hubConfiguration: .object(stated), path: name)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    // MARK: - Families

    /// google/gemma-3-*-pt, config.json; vision of SigLIP with 27 layers of 1,152 and a projector.
    private static let gemma3 = [
        gemma("270m", width: 640, layers: 18, heads: (4, 1), 256, feedForward: 2048, isSmall: true),
        gemma("1b", width: 1152, layers: 26, heads: (4, 1), 256, feedForward: 6912, isSmall: true),
        gemma("4b", width: 2560, layers: 34, heads: (8, 4), 256, feedForward: 10240),
        gemma("12b", width: 3840, layers: 48, heads: (16, 8), 256, feedForward: 15360),
        gemma("27b", width: 5376, layers: 62, heads: (32, 16), 128, feedForward: 21504, scalar: 168),
    ]

    private static func gemma(
        _ size: String, width: Int, layers: Int, heads: (Int, Int), _ headDimension: Int, feedForward: Int,
        scalar: Int = 256, isSmall: Bool = false
    ) -> KnownModel {
        let tower = 416_866_032
        return KnownModel(
            // Of the projector a matrix of 1,152 rows and a norm.
            "gemma-3-\(size)", vision: isSmall ? 0 : tower + 1152 * width + 1152,
            [
                "model_type": .string("gemma3_text"), "hidden_size": .integer(width),
                "num_hidden_layers": .integer(layers), "num_attention_heads": .integer(heads.0),
                "num_key_value_heads": .integer(heads.1), "head_dim": .integer(headDimension),
                "intermediate_size": .integer(feedForward),
                "vocab_size": .integer(isSmall ? 262_144 : 262_208),
                "sliding_window": .integer(isSmall ? 512 : 1024), "sliding_window_pattern": .integer(6),
                "query_pre_attn_scalar": .integer(scalar),
                "max_position_embeddings": .integer(isSmall ? 32_768 : 131_072),
                "rope_scaling": isSmall
                    ? .null : .members(["rope_type": .string("linear"), "factor": .real(8)]),
            ])
    }

    /// meta-llama/Llama-3.*, config.json.
    private static let llama3 = [
        llama(
            "llama-3.2-1b", width: 2048, layers: 16, heads: (32, 8), feedForward: 8192, factor: 32, ties: true
        ),
        llama(
            "llama-3.2-3b", width: 3072, layers: 28, heads: (24, 8), feedForward: 8192, factor: 32, ties: true
        ),
        llama("llama-3-8b", width: 4096, layers: 32, heads: (32, 8), feedForward: 14336, factor: nil),
        llama("llama-3.1-8b", width: 4096, layers: 32, heads: (32, 8), feedForward: 14336, factor: 8),
        llama("llama-3.1-70b", width: 8192, layers: 80, heads: (64, 8), feedForward: 28672, factor: 8),
        llama("llama-3.3-70b", width: 8192, layers: 80, heads: (64, 8), feedForward: 28672, factor: 8),
    ]

    private static func llama(
        _ name: String, width: Int, layers: Int, heads: (Int, Int), feedForward: Int, factor: Double?,
        ties: Bool = false
    ) -> KnownModel {
        let scaling = factor.map {
            JSONValue.members([
                "rope_type": .string("llama3"), "factor": .real($0), "low_freq_factor": .real(1),
                "high_freq_factor": .real(4), "original_max_position_embeddings": .integer(8192),
            ])
        }
        return KnownModel(
            name,
            [
                "model_type": .string("llama"), "hidden_size": .integer(width),
                "num_hidden_layers": .integer(layers), "num_attention_heads": .integer(heads.0),
                "num_key_value_heads": .integer(heads.1), "intermediate_size": .integer(feedForward),
                "vocab_size": .integer(128_256), "tie_word_embeddings": .bool(ties),
                "rms_norm_eps": .real(1e-5), "rope_theta": .real(500_000),
                "rope_scaling": scaling ?? .null,
                "max_position_embeddings": .integer(factor == nil ? 8192 : 131_072),
            ])
    }

    /// HuggingFaceTB/SmolLM2-*, config.json.
    private static let smollm2 = [
        smollm("135m", width: 576, layers: 30, heads: (9, 3), feedForward: 1536, base: 100_000),
        smollm("360m", width: 960, layers: 32, heads: (15, 5), feedForward: 2560, base: 100_000),
        smollm("1.7b", width: 2048, layers: 24, heads: (32, 32), feedForward: 8192, base: 130_000),
    ]

    private static func smollm(
        _ size: String, width: Int, layers: Int, heads: (Int, Int), feedForward: Int, base: Double
    ) -> KnownModel {
        KnownModel(
            "smollm2-\(size)",
            [
                "model_type": .string("llama"), "hidden_size": .integer(width),
                "num_hidden_layers": .integer(layers), "num_attention_heads": .integer(heads.0),
                "num_key_value_heads": .integer(heads.1), "intermediate_size": .integer(feedForward),
                "vocab_size": .integer(49_152), "tie_word_embeddings": .bool(true),
                "rms_norm_eps": .real(1e-5), "rope_theta": .real(base),
                "max_position_embeddings": .integer(8192),
            ])
    }

    /// Qwen/Qwen2.5-*, config.json.
    private static let qwen25 = [
        qwen("qwen2.5-0.5b", "qwen2", width: 896, layers: 24, heads: (14, 2), feedForward: 4864, ties: true),
        qwen("qwen2.5-1.5b", "qwen2", width: 1536, layers: 28, heads: (12, 2), feedForward: 8960, ties: true),
        qwen("qwen2.5-3b", "qwen2", width: 2048, layers: 36, heads: (16, 2), feedForward: 11008, ties: true),
        qwen(
            "qwen2.5-7b", "qwen2", width: 3584, layers: 28, heads: (28, 4), feedForward: 18944, rows: 152_064),
        qwen(
            "qwen2.5-14b", "qwen2", width: 5120, layers: 48, heads: (40, 8), feedForward: 13824, rows: 152_064
        ),
        qwen(
            "qwen2.5-32b", "qwen2", width: 5120, layers: 64, heads: (40, 8), feedForward: 27648, rows: 152_064
        ),
        qwen(
            "qwen2.5-72b", "qwen2", width: 8192, layers: 80, heads: (64, 8), feedForward: 29568, rows: 152_064
        ),
    ]

    /// Qwen/Qwen3-*, config.json.
    private static let qwen3 = [
        qwen("qwen3-0.6b", "qwen3", width: 1024, layers: 28, heads: (16, 8), feedForward: 3072, ties: true),
        qwen("qwen3-1.7b", "qwen3", width: 2048, layers: 28, heads: (16, 8), feedForward: 6144, ties: true),
        qwen("qwen3-4b", "qwen3", width: 2560, layers: 36, heads: (32, 8), feedForward: 9728, ties: true),
        qwen("qwen3-8b", "qwen3", width: 4096, layers: 36, heads: (32, 8), feedForward: 12288),
        qwen("qwen3-14b", "qwen3", width: 5120, layers: 40, heads: (40, 8), feedForward: 17408),
        qwen("qwen3-32b", "qwen3", width: 5120, layers: 64, heads: (64, 8), feedForward: 25600),
    ]

    private static func qwen(
        _ name: String, _ type: String, width: Int, layers: Int, heads: (Int, Int), feedForward: Int,
        rows: Int = 151_936, ties: Bool = false
    ) -> KnownModel {
        KnownModel(
            name,
            [
                "model_type": .string(type), "hidden_size": .integer(width),
                "num_hidden_layers": .integer(layers), "num_attention_heads": .integer(heads.0),
                "num_key_value_heads": .integer(heads.1),
                "head_dim": type == "qwen3" ? .integer(128) : .null,
                "intermediate_size": .integer(feedForward), "vocab_size": .integer(rows),
                "tie_word_embeddings": .bool(ties), "rms_norm_eps": .real(1e-6),
                "rope_theta": .real(1_000_000),
                "max_position_embeddings": .integer(type == "qwen3" ? 40_960 : 32_768),
            ])
    }
}
