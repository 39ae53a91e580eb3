import NibbleNumerics
import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint

@Suite("Configuration from GGUF metadata")
struct GGUFConfigurationTests {
    /// The least that llama.cpp needs, for heads of width 16.
    private static func metadata(_ architecture: String, layers: UInt32 = 12) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata.set("general.architecture", .string(architecture))
        metadata.set("\(architecture).context_length", .uint32(512))
        metadata.set("\(architecture).embedding_length", .uint32(64))
        metadata.set("\(architecture).block_count", .uint32(layers))
        metadata.set("\(architecture).feed_forward_length", .uint32(96))
        metadata.set("\(architecture).attention.head_count", .uint32(4))
        metadata.set("\(architecture).attention.layer_norm_rms_epsilon", .float32(1e-6))
        metadata.set("tokenizer.ggml.tokens", .strings(["a", "b", "c"]))
        return metadata
    }

    private static func read(
        _ metadata: GGUFMetadata, output: Bool = false, divisors: [Float]? = nil
    ) throws(CheckpointError) -> ModelConfiguration {
        try ModelConfiguration(
            ggufMetadata: metadata, path: "x.gguf", hasOutputTensor: output, ropeFrequencyFactors: divisors)
    }

    @Test("What the file does not say is what llama.cpp takes for granted")
    func defaults() throws {
        let llama = try Self.read(Self.metadata("llama"))
        #expect(llama.keyValueHeadCount == 4 && llama.headDimension == 16)
        #expect(llama.ropeBase == 10_000 && llama.ropeScaling == nil && llama.tiesEmbeddings)
        #expect(llama.normEpsilon == 1e-6 && llama.vocabularySize == 3)
        #expect(llama.slidingWindow == nil && llama.slidingPattern == nil && llama.ropeLocalBase == nil)
        var metadata = Self.metadata("gemma3")
        #expect(try Self.read(metadata, output: true).slidingPattern == nil)
        metadata.set("gemma3.attention.sliding_window", .uint32(32))
        let gemma = try Self.read(metadata, output: true)
        #expect(gemma.slidingPattern == .period(6) && gemma.ropeLocalBase == 10_000 && !gemma.tiesEmbeddings)
        #expect(gemma.queryScalar == nil)
        var largest = Self.metadata("gemma3", layers: 62)
        largest.set("gemma3.attention.key_length", .uint32(8))
        largest.set("gemma3.attention.value_length", .uint32(8))
        #expect(try Self.read(largest).queryScalar == 16)
    }

    @Test("Sliding layers are a period or a list")
    func slidingPattern() throws {
        var metadata = Self.metadata("gemma3", layers: 4)
        metadata.set("gemma3.attention.sliding_window", .uint32(32))
        let key = "gemma3.attention.sliding_window_pattern"
        metadata.set(key, .uint32(2))
        #expect(try Self.read(metadata).slidingPattern == .period(2))
        metadata.set(key, .uint32(0))
        #expect(try Self.read(metadata).slidingPattern == .layers([true, true, true, true]))
        metadata.set(key, .array(.bool, [true, false, true, false].map { .bool($0) }))
        let listed = try Self.read(metadata)
        #expect(listed.slidingPattern == .layers([true, false, true, false]))
        let types = try listed.hubConfiguration(type: .bf16, vocabulary: nil)["layer_types"]?.elements
        #expect(
            types?.map(\.text) == [
                "sliding_attention", "full_attention", "sliding_attention", "full_attention",
            ])
        metadata.set(key, .array(.uint32, [.uint32(1)]))
        #expect(throws: CheckpointError.self) { try Self.read(metadata) }
    }

    @Test("Counts that llama.cpp accepts per block must be alike")
    func perBlock() throws {
        var metadata = Self.metadata("llama", layers: 2)
        metadata.set("llama.attention.head_count_kv", .array(.uint32, [.uint32(2), .uint32(2)]))
        #expect(try Self.read(metadata).keyValueHeadCount == 2)
        metadata.set("llama.attention.head_count_kv", .array(.uint32, [.uint32(2), .uint32(4)]))
        let uneven = try Self.read(metadata)
        #expect(uneven.keyValueHeadCount == 2 && uneven.obstacles.count == 1)
        #expect(uneven.shape(of: TensorRole(.attentionKey, layer: 1)) == nil)
    }

    /// Architecture, key, value that is set (nil removes the key), code, part of the message.
    static let flaws: [(String, String, GGUFValue?, CheckpointError.Code, String)] = [
        ("llama", "general.architecture", .string("gpt2"), .unsupported, "gpt2"),
        ("llama", "llama.context_length", nil, .missing, "llama.context_length"),
        ("llama", "llama.context_length", .uint64(512), .malformed, "has type uint64, expected uint32"),
        ("llama", "llama.context_length", .uint32(0), .malformed, "is 0"),
        ("llama", "llama.block_count", .uint32(513), .malformed, "513"),
        ("llama", "llama.block_count", .string("12"), .malformed, "has type string, expected uint32"),
        ("llama", "llama.attention.head_count", .uint32(0), .malformed, "is 0"),
        ("llama", "llama.attention.head_count_kv", .uint32(3), .malformed, "does not divide"),
        ("llama", "llama.attention.head_count_kv", .uint32(0), .malformed, "does not divide"),
        ("llama", "llama.attention.key_length", .uint32(15), .malformed, "even"),
        (
            "llama", "llama.attention.layer_norm_rms_epsilon", .float64(1e-6), .malformed,
            "has type float64, expected float32"
        ),
        ("llama", "llama.attention.layer_norm_rms_epsilon", .float32(.nan), .invalidValue, "nan"),
        ("llama", "llama.attention.layer_norm_rms_epsilon", nil, .missing, "epsilon"),
        ("llama", "llama.rope.freq_base", .float32(.infinity), .invalidValue, "inf"),
        ("llama", "llama.rope.scaling.factor", .float64(2), .malformed, "expected float32"),
        ("llama", "tokenizer.ggml.tokens", nil, .missing, "tokenizer.ggml.tokens"),
        (
            "gemma3", "gemma3.attention.sliding_window", .int32(5), .malformed,
            "has type int32, expected uint32"
        ),
    ]

    @Test("A flaw is an error that names the key", arguments: flaws)
    func flaw(
        _ architecture: String, _ key: String, _ value: GGUFValue?, _ code: CheckpointError.Code,
        _ part: String
    ) {
        var metadata = Self.metadata(architecture)
        metadata.remove(key)
        if let value { metadata.set(key, value) }
        let error = #expect(throws: CheckpointError.self) { try Self.read(metadata) }
        #expect(error?.code == code)
        #expect(error.map(String.init(describing:))?.contains(part) == true, "\(String(describing: error))")
    }

    /// Architecture, key, value that is set, part of the message.
    static let obstacles: [(String, String, GGUFValue, String)] = [
        ("llama", "llama.attention.key_length", .uint32(32), "value_length"),
        ("llama", "llama.attention.value_length", .uint32(8), "is 8"),
        ("llama", "llama.rope.dimension_count", .uint32(8), "is 8"),
        ("llama", "llama.rope.freq_base", .float32(-1), "-1"),
        ("llama", "llama.rope.scaling.type", .string("longrope"), "longrope"),
        ("llama", "llama.rope.scaling.factor", .float32(-2), "-2"),
        ("llama", "llama.expert_count", .uint32(8), "dense"),
        ("qwen2", "qwen2.attention.causal", .bool(false), "causal"),
        ("gemma3", "gemma3.rope.freq_base_swa", .float32(0), "is 0.0"),
    ]

    @Test("What only computing needs stands in the way of nothing else", arguments: obstacles)
    func obstacle(_ architecture: String, _ key: String, _ value: GGUFValue, _ part: String) throws {
        var metadata = Self.metadata(architecture)
        metadata.set("gemma3.attention.sliding_window", .uint32(5))
        #expect(try Self.read(metadata).obstacles.isEmpty)
        metadata.set(key, value)
        let configuration = try Self.read(metadata)
        let obstacle = try #require(configuration.obstacles.first)
        #expect(obstacle.code == .unsupported && obstacle.description.contains(part), "\(obstacle)")
        // A folder would say something else.
        #expect(throws: obstacle) { try configuration.checkHub(path: "model.gguf") }
    }

    @Test("YaRN has llama.cpp's defaults, and its factor for attention multiplies the usual one")
    func yarn() throws {
        var metadata = Self.metadata("qwen2")
        metadata.set("qwen2.rope.scaling.type", .string("yarn"))
        #expect(try Self.read(metadata).ropeScaling == nil)
        metadata.set("qwen2.rope.scaling.factor", .float32(4))
        // Without an original context, that of the model.
        #expect(try Self.read(metadata).ropeScaling == .yarn(YaRN(factor: 4, originalContext: 512)))
        metadata.set("qwen2.rope.scaling.original_context_length", .uint32(64))
        #expect(try Self.read(metadata).ropeScaling == .yarn(YaRN(factor: 4, originalContext: 64)))
        metadata.set("qwen2.rope.scaling.attn_factor", .float32(1.5))
        guard case .yarn(let yarn)? = try Self.read(metadata).ropeScaling else {
            Issue.record("no YaRN")
            return
        }
        // 1.5 (0.1 ln 4 + 1)
        #expect(abs(yarn.magnitude - 1.5 * 1.138_629_436) < 1e-8)
    }

    /// Divisors as PyTorch 2.15 computes them in llama.cpp's converter, for a base of 500 000, heads of
    /// width 64 and the scaling of Llama 3.2 (factor 32, ramp from 1 to 4, context 8192).
    static let llama32Divisors: [Float] =
        Array(repeating: 1, count: 15) + [1.6513292789459229, 3.2922627925872803, 9.666730880737305]
        + Array(repeating: 32, count: 14)

    @Test("Llama 3's divisors are PyTorch's")
    func divisors() {
        let scaling = ModelConfiguration.RopeScaling.llama3(
            factor: 32, lowFrequency: 1, highFrequency: 4, originalContext: 8192)
        #expect(scaling.llama3Divisors(base: 500_000, headDimension: 64) == Self.llama32Divisors)
    }

    @Test(
        "Llama 3's scaling comes back from its divisors",
        arguments: [
            (8.0, 1.0, 4.0, 500_000.0, 128), (32, 1, 4, 500_000, 64), (32, 1, 4, 500_000, 128),
            (4, 1, 2, 500_000, 128),
            (16, 0.5, 8, 10_000, 128), (8, 1, 4, 500_000, 8),
        ])
    func llama3(factor: Double, low: Double, high: Double, base: Double, width: Int) throws {
        var metadata = Self.metadata("llama")
        metadata.set("llama.attention.key_length", .uint32(UInt32(width)))
        metadata.set("llama.attention.value_length", .uint32(UInt32(width)))
        metadata.set("llama.rope.freq_base", .float32(Float(base)))
        let scaling = ModelConfiguration.RopeScaling.llama3(
            factor: factor, lowFrequency: low, highFrequency: high, originalContext: 8192)
        var divisors = try #require(scaling.llama3Divisors(base: base, headDimension: width))
        #expect(try Self.read(metadata, divisors: divisors).ropeScaling == scaling)
        divisors[width / 2 - 1] *= 1.5
        // Others are computed as they are, and only a folder cannot say them.
        let other = try Self.read(metadata, divisors: divisors)
        #expect(other.ropeScaling == .divisors(divisors) && other.obstacles.isEmpty)
        let error = #expect(throws: CheckpointError.self) { try other.checkHub(path: "model.gguf") }
        #expect(error?.subject == "tensor 'rope_freqs.weight'")
        divisors[0] = .nan
        #expect(throws: CheckpointError.self) { try Self.read(metadata, divisors: divisors) }
        #expect(throws: CheckpointError.self) {
            try Self.read(metadata, divisors: Array(divisors.dropLast()))
        }
        #expect(try Self.read(metadata, divisors: Array(repeating: 1, count: width / 2)).ropeScaling == nil)
    }
}
