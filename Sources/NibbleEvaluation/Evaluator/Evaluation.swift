/// What an ``Evaluator`` measured, complete or as far as it came.
public struct Evaluation: Sendable {
    /// The models; the first of several is the base of divergences.
    public let models: [Model]
    /// Whether divergences were measured: from the first of several models, or from recorded logits.
    public let hasBase: Bool
    /// The place in ``models`` of a second base of divergences.
    public let secondBase: Int?
    /// How the models were computed: `f32`, `bf16`.
    public let precision: String
    /// Threads used.
    public let threads: Int
    /// The texts in the order given.
    public internal(set) var texts: [Text]
    /// Time since the start, without opening models and reading texts.
    public internal(set) var elapsed: Duration = .zero

    /// A model that was evaluated.
    public struct Model: Sendable {
        /// The model, as the user named it.
        public let path: String
        /// Bytes of its tensors.
        public let bytes: Int
        /// Bits that a stored weight takes on average.
        public let bitsPerWeight: Double
    }

    /// One text's part.
    public struct Text: Sendable {
        /// The text's name, usually its path.
        public let name: String
        /// Tokens of the text, those that no chunk holds included.
        public let tokenCount: Int
        /// Tokens of a chunk: `ChunkPlan.window`.
        public let context: Int
        /// Distance of chunks, where they overlap.
        public let stride: Int?
        /// Whether its chunks are conversations, of which answers are scored.
        public internal(set) var isConversations = false
        /// Chunks that were to be evaluated.
        public let chunksPlanned: Int
        /// Chunks that were evaluated: fewer where the run was interrupted.
        public internal(set) var chunksDone = 0
        /// Tokens that each model evaluated, those that were only context included.
        public internal(set) var tokensDone = 0
        /// Perplexity of each model.
        public internal(set) var estimates: [PerplexityEstimate]
        /// Divergence of each model from the base; empty statistics for the base itself.
        public internal(set) var divergences: [DivergenceStatistics]
        /// Divergence of each model from the second base; empty statistics for that itself, none without one.
        public internal(set) var secondDivergences: [DivergenceStatistics]
        /// Divergence of each model by the place of a token in its chunk.
        public internal(set) var positions: [PositionDivergence]
        /// The tokens on which each model diverges most.
        public internal(set) var worst: [WorstTokens]
        /// The documents that it is made of, those of which nothing was scored included.
        public internal(set) var documents: [Document]
    }

    /// A document of a text.
    public struct Document: Sendable {
        /// Its path, for a line of a `.jsonl` file with the number of the document.
        public let name: String
        /// What each model made of its scored tokens.
        public internal(set) var sums: [DocumentSums]
        /// The same beside the second base; none without one.
        public internal(set) var secondSums: [DocumentSums]
    }

    /// What was evaluated, as `16 chunks of 512 tokens`, or `24 conversations of 512 tokens at most`.
    ///
    /// - Parameter count: of chunks.
    public func chunkDescription(_ count: Int) -> String {
        ChunkPlan.description(
            count, of: texts[0].context, conversations: texts.map(\.isConversations))
    }

    /// Chunks that were to be evaluated.
    public var chunksPlanned: Int { texts.reduce(0) { $0 + $1.chunksPlanned } }
    /// Chunks that were evaluated.
    public var chunksDone: Int { texts.reduce(0) { $0 + $1.chunksDone } }
    /// Whether nothing was left out.
    public var isComplete: Bool { chunksDone == chunksPlanned }
    /// Tokens that each model evaluated, those that were only context included.
    public var tokensEvaluated: Int { texts.reduce(0) { $0 + $1.tokensDone } }
    /// ``elapsed`` in seconds.
    public var seconds: Double { elapsed / .seconds(1) }
    /// Tokens evaluated a second; 0 where no time passed.
    public var tokensPerSecond: Double { seconds > 0 ? Double(tokensEvaluated) / seconds : 0 }

    /// Perplexity of a model over the tokens of all texts.
    public func pooled(model: Int) -> PerplexityEstimate { .pooled(texts.map { $0.estimates[model] }) }

    /// Divergence of a model from the base over the tokens of all texts.
    public func divergence(model: Int) -> DivergenceStatistics {
        texts.reduce(into: DivergenceStatistics()) { $0.merge($1.divergences[model]) }
    }

    /// Divergence of a model from the second base over the tokens of all texts; without tokens where there is none.
    public func secondDivergence(model: Int) -> DivergenceStatistics {
        texts.reduce(into: DivergenceStatistics()) { sum, text in
            if model < text.secondDivergences.count { sum.merge(text.secondDivergences[model]) }
        }
    }

    /// The tokens of all texts on which a model diverges most, by the place of the text.
    public func worstTokens(model: Int) -> [(text: Int, token: WorstTokens.Token)] {
        let all = texts.indices.flatMap { text in
            texts[text].worst[model].tokens.map { (text: text, token: $0) }
        }
        let ranked = all.enumerated().sorted {
            ($1.element.token.score.divergence, $0.offset) < ($0.element.token.score.divergence, $1.offset)
        }
        return ranked.prefix(WorstTokens.limit).map(\.element)
    }

    /// A row for each model, the base first.
    public var rows: [ComparisonRow] {
        let base = pooled(model: 0)
        let others = models.indices.dropFirst().map(divergence)
        let first = others.first?.perplexities.difference.value
        let intervals = intervals()
        return zip(names, models).enumerated().map { index, named in
            let (name, model) = named
            let statistics = index > 0 ? others[index - 1] : nil
            let second = secondBase.flatMap { $0 == index ? nil : secondDivergence(model: index) }
            return ComparisonRow(
                name: name, bytes: model.bytes, bitsPerWeight: model.bitsPerWeight,
                perplexity: statistics?.perplexities.perplexity
                    ?? Estimate(base.perplexity, error: base.perplexityError), statistics: statistics,
                percentiles: statistics?.divergencePercentiles, firstDifference: index > 1 ? first : nil,
                secondDivergence: second?.meanDivergence, intervals: intervals?[index])
        }
    }

    /// What there is of one text.
    public func restricted(toText index: Int) -> Evaluation {
        var part = self
        part.texts = [texts[index]]
        return part
    }

    /// The last part of each path, or the whole paths where that does not tell the models apart.
    private var names: [String] {
        let names = models.map { $0.path.split(separator: "/").last.map(String.init) ?? $0.path }
        return Set(names).count == names.count ? names : models.map(\.path)
    }
}
