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
/// A collection of ``Chunk`` that makes them when asked:
///
/// ```swift
/// let plan = try ChunkPlan(tokens: tokens, context: 512, bos: 2)
/// for chunk in plan { print(chunk.scored) }  // 256..<511
/// ```
public struct ChunkPlan: Sendable {
    /// Tokens of the text, as the tokenizer gave them: with BOS at the very start where it adds one.
    public let tokens: [Int32]
    /// Tokens of a chunk.
    public let window: Int
    /// Distance between the starts of chunks, where they overlap.
    public let stride: Int?
    /// Number of chunks.
    public let count: Int
    /// The token that replaces the first of each chunk.
    public let bos: Int32?

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
        count = Swift.min(available, limit ?? available)
    }

    /// Chunks that were cut before, as a logits file holds them: `tokens.count / context` of them.
    init(cut tokens: [Int32], context: Int, bos: Int32?) {
        precondition(context >= Self.minimumContext, "context \(context)")
        self.tokens = tokens
        window = context
        stride = nil
        self.bos = bos
        count = tokens.count / context
    }

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

    /// Positions of a chunk that are scored, the same in each.
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
        let start = index * (stride ?? window)
        var chunk = Array(tokens[start..<start + window])
        let targets = Array(chunk[scored.lowerBound + 1...scored.upperBound])
        if let bos { chunk[0] = bos }
        return Chunk(tokens: chunk, scored: scored, targets: targets)
    }
}
