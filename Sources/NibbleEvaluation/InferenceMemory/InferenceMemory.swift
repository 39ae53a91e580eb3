public import NibbleCheckpoint
public import NibbleQuantization

/// What a model takes in memory while llama.cpp runs it, part by part, in bytes.
///
/// Weights and cache are what llama.cpp allocates, to the byte. So are its buffers of logits and of computation where all is
/// on the CPU with flash attention, of which logits are the larger part by far:
///
///     computation = batch (vocabulary + 2 width) 4        outputs = sequences vocabulary 4
///
/// On devices computation takes about as much: that is an estimate.
public struct InferenceMemory: Sendable {
    /// What the weights are stored as.
    public let type: QuantizationType
    /// The text model's weights.
    public let weights: WeightBytes
    /// A vision tower with its projector, which run from a file of their own (`mmproj`), as F16; 0 without.
    public let visionBytes: Int
    /// Keys and values.
    public let cache: KeyValueMemory
    /// The buffer that a batch is computed in.
    public let computeBytes: Int
    /// The logits that are handed out.
    public let outputBytes: Int

    /// All of it.
    public var total: Int { weights.total + visionBytes + cache.bytes + computeBytes + outputBytes }

    /// Plans for a type.
    ///
    /// - Throws: ``CheckpointError`` where a tensor or the cache cannot be stored so.
    public init(
        _ subject: MemorySubject, _ plan: QuantizationPlan, _ options: KeyValueMemory.Options
    ) throws(CheckpointError) {
        type = plan.type
        weights = try WeightBytes(try subject.resolve(plan))
        visionBytes = 2 * subject.visionParameterCount
        let model = subject.configuration
        cache = try KeyValueMemory(model, options, path: subject.name)
        computeBytes = 4 * options.batch * (model.vocabularySize + 2 * model.embeddingLength)
        outputBytes = 4 * options.sequences * model.vocabularySize
    }

    /// The longest context of a sequence, in steps of 256 tokens up to the model's, with which all of it takes at most
    /// `bytes`; nil where none does.
    public static func longestContext(
        _ subject: MemorySubject, _ plan: QuantizationPlan, _ options: KeyValueMemory.Options,
        within bytes: Int
    ) throws(CheckpointError) -> Int? {
        let step = KeyValueMemory.padding
        // Nothing but the cache depends on the context.
        let any = try InferenceMemory(subject, plan, options)
        let rest = any.total - any.cache.bytes
        var (fits, exceeds) = (0, subject.configuration.contextLength / step + 1)
        while exceeds - fits > 1 {
            let middle = (fits + exceeds) / 2
            var own = options
            own.context = middle * step * (options.isUnified ? 1 : options.sequences)
            let cache = try KeyValueMemory(subject.configuration, own, path: subject.name)
            if rest + cache.bytes <= bytes { fits = middle } else { exceeds = middle }
        }
        return fits > 0 ? fits * step : nil
    }
}
