public import NibbleModel
internal import NibbleTensor

/// What an ``Evaluator`` measured, complete or as far as it came.
public struct Evaluation: Sendable {
    /// The texts in the order given.
    public internal(set) var texts: [Text]
    /// Time since the start.
    public internal(set) var elapsed: Duration = .zero

    /// One text's part.
    public struct Text: Sendable {
        /// The text's name.
        public let name: String
        /// Tokens of the text.
        public let tokenCount: Int
        /// Tokens of a chunk.
        public let context: Int
        /// Distance of chunks, where they overlap.
        public let stride: Int?
        /// Chunks that were to be evaluated.
        public let chunksPlanned: Int
        /// Chunks that were evaluated.
        public internal(set) var chunksDone = 0
        /// Perplexity of each model.
        public internal(set) var estimates: [PerplexityEstimate]
        /// Divergence of each model from the base; empty statistics for the base itself.
        public internal(set) var divergences: [DivergenceStatistics]

        init(name: String, plan: ChunkPlan, models: Int) {
            self.name = name
            tokenCount = plan.tokens.count
            context = plan.window
            stride = plan.stride
            chunksPlanned = plan.count
            estimates = Array(repeating: PerplexityEstimate(), count: models)
            divergences = Array(repeating: DivergenceStatistics(), count: models)
        }
    }

    /// Chunks that were to be evaluated.
    public var chunksPlanned: Int { texts.reduce(0) { $0 + $1.chunksPlanned } }
    /// Chunks that were evaluated.
    public var chunksDone: Int { texts.reduce(0) { $0 + $1.chunksDone } }

    /// Perplexity of a model over the tokens of all texts.
    public func pooled(model: Int) -> PerplexityEstimate { .pooled(texts.map { $0.estimates[model] }) }

    /// Divergence of a model from the base over the tokens of all texts.
    public func divergence(model: Int) -> DivergenceStatistics {
        texts.reduce(into: DivergenceStatistics()) { $0.merge($1.divergences[model]) }
    }

    /// The last model's result, with its divergence from the base where there is one.
    public func perplexity(of model: LanguageModel, hasBase: Bool) -> PerplexityResult {
        let parts = texts.map { text in
            PerplexityResult.TextResult(
                name: text.name, tokenCount: text.tokenCount, chunksPlanned: text.chunksPlanned,
                chunksDone: text.chunksDone, estimate: text.estimates.last ?? PerplexityEstimate(),
                divergence: hasBase ? text.divergences.last : nil)
        }
        return PerplexityResult(
            model: model.path, texts: parts, context: texts[0].context, stride: texts[0].stride,
            precision: model.compute.precision.rawValue, threads: model.compute.workers.count,
            seconds: elapsed / .seconds(1))
    }

    /// A row for each model, the base first.
    public func comparison(of models: [LanguageModel]) -> ModelComparison {
        let base = models[0]
        let names = Self.names(of: models)
        var result = ModelComparison(
            base: ComparisonRow(
                base: names[0], bytes: base.weightBytes, bitsPerWeight: base.bitsPerWeight,
                chunksDone: chunksDone,
                estimate: pooled(model: 0)),
            texts: texts.map(\.name), context: texts[0].context, chunksPlanned: chunksPlanned,
            precision: base.compute.precision.rawValue, threads: base.compute.workers.count,
            seconds: elapsed / .seconds(1))
        for (index, model) in models.enumerated().dropFirst() {
            result.append(
                names[index], bytes: model.weightBytes, bitsPerWeight: model.bitsPerWeight,
                chunksDone: chunksDone,
                statistics: divergence(model: index))
        }
        return result
    }

    /// The last part of each path, or the whole paths where that does not tell the models apart.
    private static func names(of models: [LanguageModel]) -> [String] {
        let names = models.map { $0.path.split(separator: "/").last.map(String.init) ?? $0.path }
        return Set(names).count == names.count ? names : models.map(\.path)
    }
}

extension LanguageModel {
    /// Bits that a stored weight takes on average.
    public var bitsPerWeight: Double { Double(weightBytes) * 8 / Double(parameterCount) }
}
