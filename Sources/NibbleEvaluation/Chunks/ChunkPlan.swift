internal import NibbleTokenizer

/// How the tokens of a text are cut into chunks, and which of them are scored: to the letter of
/// llama-perplexity (llama.cpp, tools/perplexity/perplexity.cpp), so that its numbers can be compared with.
///
/// Without stride (`perplexity`), for a context of `n` tokens: `⌊count / n⌋` chunks that do not overlap, the rest
/// dropped. The first token of each is replaced by BOS where the vocabulary adds one. Positions `⌊n/2⌋ ..< n - 1`
/// are scored, `n - 1 - ⌊n/2⌋` of each chunk, so that every prediction has at least half a context before it.
///
/// With a stride of `s` tokens (`perplexity_v2`): windows of ``window`` tokens that start `s` apart, of which the
/// last `s` predictions are scored, `⌈(count - window) / s⌉` windows. Slower by `window / s`, and every
/// prediction sees nearly a whole window. BOS is *not* put in front: llama-perplexity replaces the token only
/// after it has been evaluated.
///
/// Conversations are each a chunk of their own, as long as they are, and their answers are scored.
///
/// A collection of ``Chunk`` that makes them when asked:
///
/// ```swift
/// let plan = try ChunkPlan(tokens: tokens, context: 512, bos: 2)
/// for chunk in plan { print(chunk.scored) }  // 256..<511
/// ```
public struct ChunkPlan: Sendable {
    /// Tokens of the text, as the tokenizer gave them: with BOS at the very start where it adds one.
    public let tokens: [Int32]
    /// Tokens of a chunk; of conversations, the most.
    public let window: Int
    /// Distance between the starts of chunks, where they overlap.
    public let stride: Int?
    /// Number of chunks.
    public let count: Int
    /// The token that replaces the first of each chunk.
    public let bos: Int32?
    /// Where the tokens of each conversation are, and which of its positions are scored; nil for a text that is cut.
    private let conversations: [(tokens: Range<Int>, scored: [Int])]?

    /// The smallest context of which a token is scored.
    public static let minimumContext = 3
    /// With a stride, windows are rounded up to a multiple of this, as llama.cpp's `llama_context` rounds the
    /// context that `perplexity_v2` asks it for.
    public static let strideWindowMultiple = 256

    /// Cuts `tokens`.
    ///
    /// - Parameters:
    ///   - context: tokens of a context; with a stride, half the stride is added and the sum rounded up to a
    ///     multiple of ``strideWindowMultiple``. (llama-perplexity does the same when its batch, `-b`, is not
    ///     larger than the context; otherwise it multiplies the context by the batches that fit.)
    ///   - stride: distance of windows; nil for chunks that do not overlap.
    ///   - limit: the largest number of chunks; nil for all.
    ///   - bos: the BOS token of a vocabulary that adds one, else nil.
    /// - Throws: ``EvaluationError`` where the text has fewer than two windows or a parameter is out of range.
    ///   Whether the context exceeds the one that the model was trained with is for the caller to judge.
    public init(
        tokens: [Int32], context: Int, stride: Int? = nil, limit: Int? = nil, bos: Int32?
    ) throws(EvaluationError) {
        guard context >= Self.minimumContext else {
            throw .contextTooSmall(context: context, minimum: Self.minimumContext)
        }
        if let limit, limit < 1 { throw .invalidChunkLimit(limit) }
        let window = try Self.window(context: context, stride: stride)
        let (needed, overflow) = window.multipliedReportingOverflow(by: 2)
        guard !overflow, tokens.count >= needed else {
            throw .textTooShort(tokens: tokens.count, needed: overflow ? .max : needed, context: window)
        }
        let available =
            if let stride { (tokens.count - window + stride - 1) / stride } else { tokens.count / window }
        self.tokens = tokens
        self.window = window
        self.stride = stride
        self.bos = stride == nil ? bos : nil
        conversations = nil
        count = Swift.min(available, limit ?? available)
    }

    /// Chunks that were cut before, as a logits file holds them: `tokens.count / context` of them.
    init(cut tokens: [Int32], context: Int, bos: Int32?) {
        precondition(context >= Self.minimumContext, "context \(context)")
        self.tokens = tokens
        window = context
        stride = nil
        self.bos = bos
        conversations = nil
        count = tokens.count / context
    }

    /// Conversations, each from its beginning to the end of the context.
    ///
    /// - Parameters:
    ///   - conversations: of each, one answer at least begins within the context.
    ///   - limit: the largest number of conversations; nil for all.
    init(
        conversations: [ChatTokens], context: Int, limit: Int? = nil
    ) throws(EvaluationError) {
        guard context >= Self.minimumContext else {
            throw .contextTooSmall(context: context, minimum: Self.minimumContext)
        }
        if let limit, limit < 1 { throw .invalidChunkLimit(limit) }
        var tokens: [Int32] = []
        var parts: [(tokens: Range<Int>, scored: [Int])] = []
        for conversation in conversations.prefix(limit ?? conversations.count) {
            let kept = conversation.tokens.prefix(context)
            let scored = Self.scored(conversation, context: context)
            precondition(!scored.isEmpty, "a conversation without answers")
            parts.append((tokens.count..<tokens.count + kept.count, scored))
            tokens += kept
        }
        self.tokens = tokens
        window = context
        stride = nil
        bos = nil
        count = parts.count
        self.conversations = parts
    }

    /// `count` chunks in words.
    ///
    /// - Parameter conversations: of each text whether it is made of conversations.
    public static func description(_ count: Int, of context: Int, conversations: [Bool]) -> String {
        let isSome = conversations.contains(true)
        let noun =
            !isSome ? "chunks" : conversations.contains(false) ? "chunks and conversations" : "conversations"
        return "\(count) \(noun) of \(context) tokens" + (isSome ? " at most" : "")
    }

    /// Positions that predict the tokens of answers within a context.
    static func scored(_ conversation: ChatTokens, context: Int) -> [Int] {
        conversation.isAnswer.prefix(context).indices.dropFirst().filter { conversation.isAnswer[$0] }.map {
            $0 - 1
        }
    }

    /// Whether chunks are conversations, of which answers are scored.
    public var areConversations: Bool { conversations != nil }

    private static func window(context: Int, stride: Int?) throws(EvaluationError) -> Int {
        guard let stride else { return context }
        // Position window - stride - 1 is the first that is scored.
        guard stride > 0 else { throw .invalidStride(stride: stride, largest: context - 1) }
        let (sum, overflow) = context.addingReportingOverflow(stride / 2)
        guard !overflow, sum <= Int(Int32.max) else { throw .invalidStride(stride: stride, largest: context) }
        let multiple = Self.strideWindowMultiple
        let window = (sum + multiple - 1) / multiple * multiple
        guard stride < window else { throw .invalidStride(stride: stride, largest: window - 1) }
        return window
    }

    /// Positions of a chunk that are scored, the same in each unless they are conversations.
    public var scored: Range<Int> {
        if let stride { window - stride - 1..<window - 1 } else { window / 2..<window - 1 }
    }
}

extension ChunkPlan: RandomAccessCollection {
    /// 0
    public var startIndex: Int { 0 }
    /// ``count``
    public var endIndex: Int { count }

    /// Makes chunk number `index`. `O(window)`.
    public subscript(index: Int) -> Chunk {
        precondition(indices.contains(index), "chunk \(index) of \(count)")
        if let part = conversations?[index] {
            let (first, last) = (part.scored[0], part.scored[part.scored.count - 1])
            let own = Array(tokens[part.tokens])
            return Chunk(
                tokens: own, scored: first..<last + 1, targets: Array(own[first + 1...last + 1]),
                counted: part.scored.map { $0 - first })
        }
        let start = index * (stride ?? window)
        var chunk = Array(tokens[start..<start + window])
        let targets = Array(chunk[scored.lowerBound + 1...scored.upperBound])
        if let bos { chunk[0] = bos }
        return Chunk(tokens: chunk, scored: scored, targets: targets)
    }
}
