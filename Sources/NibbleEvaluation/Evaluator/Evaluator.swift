public import NibbleCheckpoint
public import NibbleModel
package import NibbleTensor
package import NibbleTokenizer

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
    let documents: [(names: [String], places: DocumentPlaces)]
    /// What the user should know of models and texts before relying on the figures.
    public internal(set) var notes: [CheckpointNote] = []
    /// The place in ``models`` of a second base, which divergences are measured from as well.
    var secondBase: Int?
    /// What tokens of the texts stand for, where that is known.
    package var tokenizer: Tokenizer?
    /// Where base logits are read from instead of a base model.
    let recorded: LogitsFileReader?
    /// Where the first model's logits are written.
    let recorder: LogitsRecorder?
    /// Where residual streams come from that have passed the models' blocks already.
    let streams: FinalStreams?

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
        /// The documents as conversations, where they are.
        var conversations: [ChatTokens]?
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
                let plan =
                    if let conversations = text.conversations {
                        try ChunkPlan(conversations: conversations, context: context, limit: chunkLimit)
                    } else {
                        try ChunkPlan(
                            tokens: text.tokens, context: context, stride: stride, limit: chunkLimit, bos: bos
                        )
                    }
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
            let size = plan.areConversations ? 1 : max(1, Self.batch / plan.window)
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
                evaluation.texts[index].tokensDone += chunks.reduce(0) { $0 + plan[$1].tokens.count }
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
                    isConversations: plan.areConversations, chunksPlanned: plan.count,
                    estimates: Array(repeating: PerplexityEstimate(), count: models.count),
                    divergences: Array(repeating: DivergenceStatistics(), count: models.count),
                    secondDivergences: secondBase == nil
                        ? [] : Array(repeating: DivergenceStatistics(), count: models.count),
                    positions: Array(repeating: PositionDivergence(), count: models.count),
                    worst: Array(repeating: WorstTokens(), count: models.count),
                    documents: documents.names.map {
                        let sums = Array(repeating: DocumentSums(), count: models.count)
                        return .init(name: $0, sums: sums, secondSums: secondBase == nil ? [] : sums)
                    })
            })
    }
}
