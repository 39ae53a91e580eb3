public import NibbleCheckpoint
public import NibbleQuantization

/// What a model takes in memory while llama.cpp runs it, part by part, in bytes.
///
/// Weights, cache and logits that are handed out are what llama.cpp allocates, to the byte. Its buffer of computation holds
/// what is needed at a time for a batch, on the CPU with flash attention: at the end the logits and two residual streams; in
/// a block the masks of attention, as F16 for each cell, gate and up and three streams.
///
///     computation = 4 batch max(vocabulary + 2 width, cells / 2 + 2 feed-forward + 3 width)
///     logits      = 4 sequences vocabulary
///
/// The former is exact for models with a large vocabulary, and within a tenth for others but tiny ones. On devices
/// computation takes about as much: that is an estimate.
///
/// ```swift
/// let model = try MemorySubject("gemma-3-4b")
/// let memory = try InferenceMemory(model, QuantizationPlan(.q4_0), .init(context: 8192))
/// print(memory.total, try memory.longestContext(within: 6_000_000_000) ?? 0)
/// ```
public struct InferenceMemory: Sendable {
    /// The model.
    public let subject: MemorySubject
    /// How the cache is asked for.
    public let options: KeyValueMemory.Options
    /// The text model's weights.
    public let weights: WeightBytes
    /// A vision tower with its projector, which run from a file of their own (`mmproj`), as F16; 0 without.
    public let visionBytes: Int
    /// Keys and values.
    public private(set) var cache: KeyValueMemory
    /// The buffer that a batch is computed in.
    public var computeBytes: Int {
        let model = subject.configuration
        let streams = options.isUnified ? 1 : options.sequences
        let masks = (cache.cells + (cache.slidingCells ?? 0)) / max(streams, 1) / 2
        let block = masks + 2 * model.feedForwardLength + 3 * model.embeddingLength
        return 4 * options.batch * max(model.vocabularySize + 2 * model.embeddingLength, block)
    }
    /// The logits that are handed out.
    public let outputBytes: Int

    /// All of it.
    public var total: Int { weights.total + visionBytes + cache.bytes + computeBytes + outputBytes }

    /// Plans for weights that become what a plan says.
    ///
    /// - Throws: ``CheckpointError`` where a tensor or the cache cannot be stored so.
    public init(
        _ subject: MemorySubject, _ plan: QuantizationPlan, _ options: KeyValueMemory.Options
    ) throws(CheckpointError) {
        try self.init(subject, try WeightBytes(try subject.resolve(plan)), options)
    }

    /// Plans for weights.
    ///
    /// - Throws: ``CheckpointError`` where the cache cannot be stored so.
    public init(
        _ subject: MemorySubject, _ weights: WeightBytes, _ options: KeyValueMemory.Options
    ) throws(CheckpointError) {
        self.subject = subject
        self.weights = weights
        self.options = options
        visionBytes = 2 * subject.visionParameterCount
        let model = subject.configuration
        cache = try KeyValueMemory(model, options, path: subject.name)
        outputBytes = 4 * options.sequences * model.vocabularySize
    }

    /// The same with another context of each sequence.
    func withContext(_ positions: Int) throws(CheckpointError) -> InferenceMemory {
        var (own, options) = (self, options)
        options.context = positions * (options.isUnified ? 1 : options.sequences)
        own.cache = try KeyValueMemory(subject.configuration, options, path: subject.name)
        return own
    }

    /// The longest context of a sequence, in steps of 256 tokens up to the model's, with which `bytes` suffice; nil where
    /// none is short enough.
    ///
    /// - Parameter need: what of the plan has to lie in these bytes; all of it by default.
    public func longestContext(
        within bytes: Int, need: (InferenceMemory) -> Int = \.total
    ) throws(CheckpointError) -> Int? {
        let step = KeyValueMemory.padding
        var (fits, exceeds) = (0, max(subject.configuration.contextLength / step, 1) + 1)
        while exceeds - fits > 1 {
            let middle = (fits + exceeds) / 2
            if need(try withContext(middle * step)) <= bytes { fits = middle } else { exceeds = middle }
        }
        return fits > 0 ? min(fits * step, subject.configuration.contextLength) : nil
    }
}
