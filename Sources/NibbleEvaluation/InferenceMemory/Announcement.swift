public import NibbleCheckpoint
public import NibbleNumerics
internal import NibbleQuantization

/// What Google announced of the memory of a size of Gemma 3, what it is computed from, and what the model takes.
///
/// The published figures of weights are those of nominal sizes, 27 for 27.4 billion: 16, 8 or 4 bits for each parameter
/// without scales, but 16 for those of the vision tower. What the caption of the report says of the cache, 8 bits, is not
/// what its figures are: they are nearer to 16 bits for all positions of all layers.
///
/// ```swift
/// for size in try Announcement.sizes() { print(size.model.name, size.published.int4, size.int4) }
/// ```
public struct Announcement: Sendable {
    /// What was published, in units of 10⁹ bytes.
    public struct Published: Sendable, Equatable {
        /// Weights of BF16 (the announcement, and table 3 of the report).
        public let bf16: Double
        /// Weights of int4 with a scale a channel (the announcement, and table 3 of the report).
        public let int4: Double
        /// Weights of SFP8 (table 3 of the report).
        public let sfp8: Double
        /// What keys and values of 32,768 tokens add (table 3 of the report, the same for all types).
        public let cache: Double
    }

    /// Where the figures are from.
    public static let sources = [
        "https://developers.googleblog.com/en/gemma-3-quantized-aware-trained-state-of-the-art-ai-to-consumer-gpus/",
        "https://arxiv.org/abs/2503.19786",
    ]

    /// The model.
    public let model: KnownModel
    /// What was published of it.
    public let published: Published
    /// Its parameters, those of the vision tower included.
    public let parameterCount: Int
    /// Weights of Q4_0 as llama-quantize stores them, without the vision tower.
    public let q4_0: Int
    /// Keys and values of ``context`` tokens as llama.cpp allocates them.
    public let caches: [Cache]

    /// A way to hold keys and values.
    public struct Cache: Sendable, Equatable {
        /// How they are stored.
        public let type: GGMLType
        /// Whether layers with a sliding window hold all positions, too.
        public let isFull: Bool
        /// What it takes.
        public let bytes: Int
    }

    /// Tokens of the published cache.
    public static let context = 32_768

    /// The announced sizes, from small to large.
    ///
    /// - Throws: nothing but what planning a model throws.
    public static func sizes() throws(CheckpointError) -> [Announcement] {
        let published: [(String, Published)] = [
            ("gemma-3-1b", Published(bf16: 2, int4: 0.5, sfp8: 1, cache: 0.9)),
            ("gemma-3-4b", Published(bf16: 8, int4: 2.6, sfp8: 4.4, cache: 4.7)),
            ("gemma-3-12b", Published(bf16: 24, int4: 6.6, sfp8: 12.4, cache: 14.9)),
            ("gemma-3-27b", Published(bf16: 54, int4: 14.1, sfp8: 27.4, cache: 18.7)),
        ]
        var sizes: [Announcement] = []
        for (name, figures) in published { sizes.append(try Announcement(name, figures)) }
        return sizes
    }

    private init(_ name: String, _ published: Published) throws(CheckpointError) {
        model = try KnownModel.named(name)
        self.published = published
        let subject = MemorySubject(model)
        let weights = try WeightBytes(try subject.resolve(QuantizationPlan(.q4_0)))
        parameterCount = weights.parameterCount + model.visionParameterCount
        q4_0 = weights.total
        var caches: [Cache] = []
        for (type, isFull) in [(GGMLType.f16, true), (.f16, false), (.q8_0, true), (.q8_0, false)] {
            var options = KeyValueMemory.Options(context: Self.context)
            (options.keyType, options.valueType, options.isFull) = (type, type, isFull)
            let memory = try KeyValueMemory(model.configuration, options, path: name)
            caches.append(Cache(type: type, isFull: isFull, bytes: memory.bytes))
        }
        self.caches = caches
    }

    /// The parameters that the published figures count: whole billions.
    public var nominalCount: Int { Int((Double(parameterCount) / 1e9).rounded()) * 1_000_000_000 }

    /// Bytes of nominal weights of BF16.
    public var bf16: Int { nominal(bits: 16) }
    /// Bytes of nominal weights of int4.
    public var int4: Int { nominal(bits: 4) }
    /// Bytes of nominal weights of SFP8.
    public var sfp8: Int { nominal(bits: 8) }
    /// Bytes of the model's weights of BF16.
    public var exactBF16: Int { 2 * parameterCount }
    /// Bytes of its vision tower and projector in 16 bits.
    public var visionBytes: Int { 2 * model.visionParameterCount }

    private func nominal(bits: Int) -> Int {
        (nominalCount - model.visionParameterCount) * bits / 8 + visionBytes
    }
}
