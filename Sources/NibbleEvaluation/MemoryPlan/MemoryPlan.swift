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
public struct MemoryPlan: Sendable {
    /// What the weights are stored as.
    public let type: QuantizationType
    /// The text model's weights.
    public let weights: WeightBytes
    /// A vision tower with its projector, which run from a file of their own (`mmproj`), as F16; 0 without.
    public let visionBytes: Int
    /// Keys and values.
    public let cache: KeyValueCache
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
        _ subject: MemorySubject, _ plan: QuantizationPlan, _ options: KeyValueCache.Options
    ) throws(CheckpointError) {
        type = plan.type
        weights = try WeightBytes(try subject.resolve(plan))
        visionBytes = 2 * subject.visionParameterCount
        let model = subject.configuration
        cache = try KeyValueCache(model, options, path: subject.name)
        computeBytes = 4 * options.batch * (model.vocabularySize + 2 * model.embeddingLength)
        outputBytes = 4 * options.sequences * model.vocabularySize
    }

    /// The longest context of a sequence, in steps of 256 tokens up to the model's, with which all of it takes at most
    /// `bytes`; nil where none does.
    public static func longestContext(
        _ subject: MemorySubject, _ plan: QuantizationPlan, _ options: KeyValueCache.Options,
        within bytes: Int
    ) throws(CheckpointError) -> Int? {
        let step = KeyValueCache.padding
        var (fits, exceeds) = (0, subject.configuration.contextLength / step + 1)
        while exceeds - fits > 1 {
            let middle = (fits + exceeds) / 2
            var own = options
            own.context = middle * step * (options.isUnified ? 1 : options.sequences)
            if try MemoryPlan(subject, plan, own).total <= bytes { fits = middle } else { exceeds = middle }
        }
        return fits > 0 ? fits * step : nil
    }

    /// How many blocks, from the last on, take at most `bytes` on a device, with their part of the cache and all of the
    /// computation; the rest stays in the memory of the host (`-ngl`).
    public func blocks(within bytes: Int, of layerCount: Int) -> Int {
        let block = (weights.body + cache.bytes) / max(layerCount, 1)
        let rest = bytes - computeBytes
        return rest > 0 ? min(layerCount, rest / max(block, 1)) : 0
    }
}
