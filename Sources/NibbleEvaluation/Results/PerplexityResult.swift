/// What an evaluation of one model on one or more texts measured, complete or as far as it came.
public struct PerplexityResult: Sendable, Equatable {
    /// One text's part.
    public struct TextResult: Sendable, Equatable {
        /// The text's file, as the user named it.
        public var name: String
        /// Tokens of the text, those that no chunk holds included.
        public var tokenCount: Int
        /// Chunks that were to be evaluated.
        public var chunksPlanned: Int
        /// Chunks that were evaluated: fewer where the run was interrupted.
        public var chunksDone: Int
        /// The perplexity over the chunks done.
        public var estimate: PerplexityEstimate
        /// The comparison with a base model, where one was asked for.
        public var divergence: DivergenceStatistics?

        /// Creates a result; without estimate, that of a text that was not begun.
        public init(
            name: String, tokenCount: Int, chunksPlanned: Int, chunksDone: Int = 0,
            estimate: PerplexityEstimate = PerplexityEstimate(), divergence: DivergenceStatistics? = nil
        ) {
            self.name = name
            self.tokenCount = tokenCount
            self.chunksPlanned = chunksPlanned
            self.chunksDone = chunksDone
            self.estimate = estimate
            self.divergence = divergence
        }
    }

    /// The model, as the user named it.
    public var model: String
    /// The texts in the order given.
    public var texts: [TextResult]
    /// Tokens of a chunk: `ChunkPlan.window`.
    public var context: Int
    /// Distance of chunks, where they overlap.
    public var stride: Int?
    /// How the model was computed: `f32`, `bf16`.
    public var precision: String
    /// Threads used.
    public var threads: Int
    /// Time for evaluating, without opening the model and reading the texts.
    public var seconds: Double

    /// Creates a result.
    public init(
        model: String, texts: [TextResult], context: Int, stride: Int? = nil, precision: String, threads: Int,
        seconds: Double
    ) {
        self.model = model
        self.texts = texts
        self.context = context
        self.stride = stride
        self.precision = precision
        self.threads = threads
        self.seconds = seconds
    }

    /// The estimate over the tokens of all texts.
    public var pooled: PerplexityEstimate { .pooled(texts.map(\.estimate)) }

    /// The comparison with the base model over the tokens of all texts; nil where none was asked for.
    public var divergence: DivergenceStatistics? {
        let parts = texts.compactMap(\.divergence)
        return parts.isEmpty ? nil : parts.reduce(into: DivergenceStatistics()) { $0.merge($1) }
    }

    /// Chunks that were to be evaluated.
    public var chunksPlanned: Int { texts.reduce(0) { $0 + $1.chunksPlanned } }
    /// Chunks that were evaluated.
    public var chunksDone: Int { texts.reduce(0) { $0 + $1.chunksDone } }
    /// Whether nothing was left out.
    public var isComplete: Bool { chunksDone == chunksPlanned }
    /// Tokens evaluated, those that were only context included.
    public var tokensEvaluated: Int { chunksDone * context }
    /// Tokens evaluated a second; 0 where no time passed.
    public var tokensPerSecond: Double { seconds > 0 ? Double(tokensEvaluated) / seconds : 0 }
}
