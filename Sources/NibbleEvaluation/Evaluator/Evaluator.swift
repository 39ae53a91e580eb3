public import NibbleCheckpoint
public import NibbleModel
package import NibbleTensor

/// Evaluates one or more models with one vocabulary on texts, side by side: every chunk passes through all of them
/// before the next, so that divergences need no file of logits.
///
/// ```swift
/// let evaluator = try Evaluator([base, quantized], texts: [("wiki.txt", tokens)], bos: 2)
/// let evaluation = try evaluator.run()
/// print(evaluation.texts[0].estimates[1].perplexity, evaluation.texts[0].divergences[1].meanDivergence)
/// ```
public final class Evaluator {
    /// The models; the first is the base of divergences.
    public let models: [LanguageModel]
    /// The texts, cut in chunks.
    public let plans: [(name: String, plan: ChunkPlan)]
    /// The documents of each text, and which of them each chunk belongs to.
    private let documents: [(names: [String], places: DocumentPlaces)]
    /// What the user should know of models and texts before relying on the figures.
    public internal(set) var notes: [CheckpointNote] = []
    /// The place in ``models`` of a second base, which divergences are measured from as well.
    var secondBase: Int?
    /// Where base logits are read from instead of a base model.
    private let recorded: LogitsFileReader?
    /// Where the first model's logits are written.
    private let recorder: LogitsRecorder?
    /// Where residual streams come from that have passed the models' blocks already.
    private let streams: FinalStreams?

    /// Gives the residual stream of some chunks after the last block of a model, by its place in ``models``.
    package typealias FinalStreams = (
        _ model: Int, _ chunks: Range<Int>
    ) throws(CheckpointError) -> Tensor

    /// Tokens that pass through a model at a time, where a chunk is not longer: more would only take memory.
    private static let batch = 1024

    /// Cuts the texts.
    ///
    /// - Parameters:
    ///   - texts: names and tokens.
    ///   - context, stride, chunkLimit: see ``ChunkPlan``.
    ///   - bos: the token that begins every chunk, where the vocabulary adds one.
    ///   - logitsPath: where to write the first model's logits; for a single text.
    /// - Throws: ``CheckpointError`` where a text is too short, the context too long for a model, or vocabularies
    ///   differ in size.
    public convenience init(
        _ models: [LanguageModel], texts: [(name: String, tokens: [Int32])], context: Int = 512,
        stride: Int? = nil,
        chunkLimit: Int? = nil, bos: Int32?, logitsPath: String? = nil, replacesLogits: Bool = false
    ) throws(CheckpointError) {
        try self.init(
            models,
            tokenized: texts.map { name, tokens in
                TokenizedText(name: name, tokens: tokens, documents: [name], starts: [0])
            }, context: context, stride: stride, chunkLimit: chunkLimit, bos: bos, logitsPath: logitsPath,
            replacesLogits: replacesLogits)
    }

    /// A text and its documents, in tokens.
    struct TokenizedText {
        var name: String
        var tokens: [Int32]
        /// Names of the documents.
        var documents: [String]
        /// The first token of each.
        var starts: [Int]
    }

    /// Cuts texts of documents.
    init(
        _ models: [LanguageModel], tokenized texts: [TokenizedText], context: Int, stride: Int?,
        chunkLimit: Int?, bos: Int32?, logitsPath: String?, replacesLogits: Bool
    ) throws(CheckpointError) {
        precondition(!models.isEmpty && !texts.isEmpty, "nothing to evaluate")
        self.models = models
        streams = nil
        var plans: [(name: String, plan: ChunkPlan)] = []
        for text in texts {
            do throws(EvaluationError) {
                let plan = try ChunkPlan(
                    tokens: text.tokens, context: context, stride: stride, limit: chunkLimit, bos: bos)
                plans.append((text.name, plan))
            } catch {
                throw error.checkpointError(path: text.name)
            }
        }
        self.plans = plans
        documents = texts.map { ($0.documents, DocumentPlaces(starts: $0.starts)) }
        recorded = nil
        if let logitsPath {
            guard plans.count == 1 else {
                throw CheckpointError(
                    .invalidRequest, path: logitsPath, "a file of logits holds one text, not \(plans.count)",
                    advice: "name one text")
            }
            recorder = try LogitsRecorder(
                path: logitsPath, plan: plans[0].plan, model: models[0], replacing: replacesLogits)
        } else {
            recorder = nil
        }
        try check(context: plans[0].plan.window)
    }

    /// Evaluates sequences that were cut before, each a chunk of its own: all of one length, BOS included where the vocabulary
    /// adds it.
    ///
    /// - Parameters:
    ///   - name: what the text is called.
    ///   - streams: gives the residual stream of some sequences after the last block of a model, where they have passed its
    ///     blocks already.
    /// - Throws: ``CheckpointError`` where vocabularies differ in size.
    package init(
        _ models: [LanguageModel], sequences: [[Int32]], name: String,
        streams: FinalStreams? = nil
    ) throws(CheckpointError) {
        self.streams = streams
        precondition(!models.isEmpty && !sequences.isEmpty, "nothing to evaluate")
        self.models = models
        plans = [
            (
                name,
                ChunkPlan(cut: Array(sequences.joined()), context: sequences[0].count, bos: nil)
            )
        ]
        documents = [([name], DocumentPlaces(starts: [0]))]
        recorded = nil
        recorder = nil
        try check(context: sequences[0].count)
    }

    /// Compares a model with the base logits of a file, whose chunks it takes.
    public init(
        _ model: LanguageModel, logits: LogitsFileReader, chunkLimit: Int? = nil, bos: Int32?
    ) throws(CheckpointError) {
        models = [model]
        streams = nil
        guard logits.vocabularySize == model.vocabularySize else {
            throw CheckpointError(
                .inconsistent, path: logits.path,
                "has logits for \(logits.vocabularySize) tokens, \(model.path) has \(model.vocabularySize)",
                advice: "write the file with a model of the same vocabulary")
        }
        do throws(EvaluationError) {
            plans = [(logits.path, try logits.plan(bos: bos, limit: chunkLimit))]
            documents = [([logits.path], DocumentPlaces(starts: [0]))]
        } catch {
            throw error.checkpointError(path: logits.path)
        }
        recorded = logits
        recorder = nil
        try check(context: logits.context)
    }

    private func check(context: Int) throws(CheckpointError) {
        for model in models {
            if context > model.configuration.contextLength {
                // llama-perplexity warns, too.
                notes.append(
                    CheckpointNote(
                        path: model.path,
                        "was made for \(model.configuration.contextLength) tokens, the context is \(context); the "
                            + "perplexity may be high for that alone"))
            }
            guard model.vocabularySize == models[0].vocabularySize else {
                throw CheckpointError(
                    .inconsistent, path: model.path,
                    "has \(model.vocabularySize) tokens, \(models[0].path) has \(models[0].vocabularySize)",
                    advice: "compare models of one vocabulary")
            }
        }
    }

    /// Chunks of all texts.
    public var chunksPlanned: Int { plans.reduce(0) { $0 + $1.plan.count } }

    /// Evaluates.
    ///
    /// - Parameters:
    ///   - progress: called after every batch with what there is so far.
    ///   - isCancelled: asked before every batch; then what is done is returned.
    /// - Throws: ``CheckpointError`` where a model gives NaN, or a file of logits cannot be read or written.
    public func run(
        progress: (Evaluation) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws(CheckpointError) -> Evaluation {
        let start = ContinuousClock.now
        var evaluation = unbegun
        for (index, (name, plan)) in plans.enumerated() {
            let size = max(1, Self.batch / plan.window)
            for first in stride(from: 0, to: plan.count, by: size) {
                if isCancelled() {
                    recorder?.abort()
                    return evaluation
                }
                let chunks = first..<min(first + size, plan.count)
                let found = try evaluate(plan, chunks)
                do throws(EvaluationError) {
                    try add(found, to: &evaluation.texts[index])
                    add(found, of: chunks, plan, documents[index].places, to: &evaluation.texts[index])
                } catch {
                    throw error.checkpointError(path: name)
                }
                evaluation.texts[index].chunksDone = chunks.upperBound
                evaluation.elapsed = start.duration(to: .now)
                progress(evaluation)
            }
        }
        try recorder?.commit()
        return evaluation
    }

    /// Before the first chunk.
    private var unbegun: Evaluation {
        Evaluation(
            models: models.map {
                let bits = Double($0.weightBytes) * 8 / Double($0.parameterCount)
                return .init(path: $0.path, bytes: $0.weightBytes, bitsPerWeight: bits)
            },
            hasBase: hasBase, secondBase: secondBase, precision: models[0].compute.precision.rawValue,
            threads: models[0].compute.workers.count,
            texts: zip(plans, documents).map { named, documents in
                let (name, plan) = named
                return Evaluation.Text(
                    name: name, tokenCount: plan.tokens.count, context: plan.window, stride: plan.stride,
                    chunksPlanned: plan.count,
                    estimates: Array(repeating: PerplexityEstimate(), count: models.count),
                    divergences: Array(repeating: DivergenceStatistics(), count: models.count),
                    secondDivergences: secondBase == nil
                        ? [] : Array(repeating: DivergenceStatistics(), count: models.count),
                    documents: documents.names.map {
                        let sums = Array(repeating: DocumentSums(), count: models.count)
                        return .init(name: $0, sums: sums, secondSums: secondBase == nil ? [] : sums)
                    })
            })
    }

    /// What all models make of the scored tokens of some chunks, `[model][chunk][token]`.
    private struct Found {
        var tokens: [[[TokenDivergence]]]
        /// The same beside the second base, where there is one.
        var second: [[[TokenDivergence]]]?
    }

    private func evaluate(_ plan: ChunkPlan, _ range: Range<Int>) throws(CheckpointError) -> Found {
        let chunks = range.map { plan[$0] }
        let base = try recordedLogits(plan, range)
        defer { if let recorded { for chunk in range { recorded.release(chunk: chunk) } } }
        let (pass, sums): (ScoringPass, VocabularySums)
        let final = try finalStreams(range)
        do throws(ModelError) {
            let sequences = chunks.map(\.tokens)
            pass =
                if let final {
                    ScoringPass(
                        models, streams: final, recorded: base, sequences: sequences, positions: plan.scored)
                } else {
                    try ScoringPass(models, recorded: base, sequences: sequences, positions: plan.scored)
                }
            sums = try pass.sums(targets: chunks.map(\.targets))
        } catch {
            throw error.checkpointError
        }
        try recorder?.write(pass.sources[0], sums: sums, chunks: range, compute: models[0].compute)
        var found = Found(tokens: divergences(pass.scores(sums), recorded: base, chunks: chunks))
        if let secondBase {
            let scores = pass.scores(from: secondBase, targets: chunks.map(\.targets))
            found.second = models.indices.map { divergences(of: scores[$0], from: scores[secondBase]) }
        }
        return found
    }

    private func finalStreams(_ chunks: Range<Int>) throws(CheckpointError) -> [Tensor]? {
        guard let streams else { return nil }
        var all: [Tensor] = []
        for model in models.indices { all.append(try streams(model, chunks)) }
        return all
    }

    private func recordedLogits(_ plan: ChunkPlan, _ range: Range<Int>) throws(CheckpointError)
        -> RecordedLogits?
    {
        guard let recorded else { return nil }
        var records: [LogitsRecord] = []
        for chunk in range {
            recorded.prefetch(chunk: chunk)
            for index in 0..<recorded.scoredPerChunk {
                records.append(try recorded.record(chunk: chunk, index: index))
            }
        }
        return RecordedLogits(
            records, layout: ScoringPass.layout(models[0], sequences: range.count, positions: plan.scored))
    }

    /// Pairs every model's scores with the base's: the recorded one or the first model.
    private func divergences(
        _ scores: [[[TokenScore]]], recorded: RecordedLogits?, chunks: [Chunk]
    ) -> [[[TokenDivergence]]] {
        scores.dropFirst(recorded == nil ? 0 : 1).map { own in
            divergences(of: own, from: scores[0]) { chunk, index in
                let targets = chunks[chunk].targets
                return recorded?.negativeLogLikelihood(
                    token: chunk * targets.count + index, target: targets[index])
            }
        }
    }

    /// Pairs a model's scores with a base's.
    ///
    /// - Parameter baseNll: the base's negative log likelihood of a token where it is known better than by its score.
    private func divergences(
        of own: [[TokenScore]], from base: [[TokenScore]],
        baseNll: (_ chunk: Int, _ index: Int) -> Double? = { _, _ in nil }
    ) -> [[TokenDivergence]] {
        own.indices.map { chunk in
            own[chunk].indices.map { index in
                let (own, base) = (own[chunk][index], base[chunk][index])
                return TokenDivergence(
                    nll: own.negativeLogLikelihood,
                    baseNll: baseNll(chunk, index) ?? base.negativeLogLikelihood,
                    divergence: own.divergence, sameTop: own.top == base.top)
            }
        }
    }

    private func add(_ found: Found, to text: inout Evaluation.Text) throws(EvaluationError) {
        for model in models.indices {
            for token in found.tokens[model].joined() {
                try text.estimates[model].add(token.nll)
                if hasBase, recorded != nil || model > 0 { try text.divergences[model].add(token) }
            }
            guard let second = found.second, model != secondBase else { continue }
            for token in second[model].joined() { try text.secondDivergences[model].add(token) }
        }
    }

    /// Adds each chunk's tokens to the document that it belongs to.
    private func add(
        _ found: Found, of chunks: Range<Int>, _ plan: ChunkPlan, _ places: DocumentPlaces,
        to text: inout Evaluation.Text
    ) {
        for (index, chunk) in chunks.enumerated() {
            let document = places.document(ofChunk: chunk, of: plan)
            for model in models.indices {
                for token in found.tokens[model][index] { text.documents[document].sums[model].add(token) }
                guard let second = found.second else { continue }
                for token in second[model][index] { text.documents[document].secondSums[model].add(token) }
            }
        }
    }

    /// Whether divergences from a base are measured.
    private var hasBase: Bool { models.count > 1 || recorded != nil }
}
