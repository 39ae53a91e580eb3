public import NibbleCheckpoint
public import NibbleNumerics
public import NibbleTensor
public import NibbleTokenizer

/// Continues texts with a model: tokens in, drawn, and out again as bytes.
///
/// ```swift
/// let generator = try TextGenerator(path: "gemma.q4_0.gguf", threads: 2)
/// let prompt = try generator.tokens(prompt: "The capital of France is", isChat: false)
/// let result = try generator.generate(prompt, limit: 32, options: SamplingOptions(temperature: 0))
/// print(String(decoding: generator.tokenizer.decode(result.tokens), as: UTF8.self))
/// ```
public struct TextGenerator: Sendable {
    /// The model.
    public let model: LanguageModel
    /// Its tokenizer.
    public let tokenizer: Tokenizer
    /// What the user should know of the checkpoint before relying on the text.
    public private(set) var notes: [CheckpointNote] = []

    /// Creates a generator.
    public init(model: LanguageModel, tokenizer: Tokenizer) {
        self.model = model
        self.tokenizer = tokenizer
    }

    /// Opens a checkpoint.
    ///
    /// - Throws: ``CheckpointError`` where it cannot be read, or the machine cannot compute in `precision`.
    public init(
        path: String, threads: Int, precision: Precision = .automatic, level: KernelLevel = .best
    ) throws(CheckpointError) {
        let checkpoint = try ModelCheckpoint(path: path)
        let compute = try Compute.checked(
            threads: threads, precision: precision, level: level, path: path)
        self.init(
            model: try LanguageModel(checkpoint, compute: compute), tokenizer: try Tokenizer(checkpoint))
        notes = checkpoint.notes + tokenizer.vocabulary.notes
    }

    /// What was generated and why it ended.
    public struct Result: Sendable, Equatable {
        /// Tokens of the prompt.
        public var promptTokens: Int
        /// The tokens generated, without the one that ended the text.
        public var tokens: [Int32]
        /// Why generation ended.
        public var reason: Reason
        /// Time for the prompt.
        public var promptTime: Duration
        /// Time for all tokens after the first.
        public var time: Duration

        /// Why generation ended.
        public enum Reason: String, Sendable {
            /// The model ended the text.
            case end
            /// As many tokens as asked for, or the model's context is full.
            case length
            /// The caller stopped it.
            case stopped
        }
    }

    /// The tokens of a prompt: as text, or as the first message of a conversation.
    ///
    /// - Parameter date: what the chat template takes for the time.
    /// - Throws: ``CheckpointError`` where a conversation is asked for, and there is no chat template or it refuses.
    public func tokens(
        prompt: String, system: String? = nil, isChat: Bool, date: ChatDate = .ofTemplates
    ) throws(CheckpointError) -> [Int32] {
        guard isChat else { return tokenizer.encode(prompt, addingSpecial: true, parsingSpecial: true) }
        let format = try ChatFormat(tokenizer, path: model.path)
        let messages = (system.map { [ChatMessage.system($0)] } ?? []) + [.user(prompt)]
        let text = try format.render(messages, addingGenerationPrompt: true, date: date)
        return tokenizer.encode(text, addingSpecial: true, parsingSpecial: true)
    }

    /// Continues a prompt.
    ///
    /// - Parameters:
    ///   - prompt: tokens, see ``tokens(prompt:system:isChat:date:)``.
    ///   - limit: tokens to generate at most; fewer where the model's context is full.
    ///   - output: called with the bytes of whole characters as they come.
    ///   - isCancelled: asked before every token.
    /// - Throws: ``CheckpointError`` where the prompt is empty or exceeds the model's context, and what `output` throws.
    public func generate(
        _ prompt: [Int32], limit: Int, options: SamplingOptions = SamplingOptions(),
        output: ([UInt8]) throws(CheckpointError) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws(CheckpointError) -> Result {
        let context = model.configuration.contextLength
        guard !prompt.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: model.path, "the prompt is empty", advice: "write something")
        }
        guard prompt.count <= context else {
            throw CheckpointError(
                .invalidRequest, path: model.path,
                "the prompt has \(prompt.count) tokens, the model was made for \(context)",
                advice: "shorten the prompt")
        }
        return try run(
            prompt, limit: min(limit, context - prompt.count), options: options, output: output,
            isCancelled: isCancelled)
    }

    private func run(
        _ prompt: [Int32], limit: Int, options: SamplingOptions,
        output: ([UInt8]) throws(CheckpointError) -> Void, isCancelled: () -> Bool
    ) throws(CheckpointError) -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        let state = try computed { () throws(ModelError) in
            try GenerationState(model, prompts: [prompt], capacity: prompt.count + max(limit, 0))
        }
        var result = Result(
            promptTokens: prompt.count, tokens: [], reason: .length,
            promptTime: start.duration(to: clock.now),
            time: .zero)
        var sampler = Sampler(options)
        var characters = CharacterBuffer()
        let first = clock.now
        while result.tokens.count < limit {
            if isCancelled() {
                result.reason = .stopped
                break
            }
            let logits = try computed { () throws(ModelError) in try state.logits }
            let token = sampler.next(logits[0])
            if tokenizer.endsOfGeneration.contains(token) {
                result.reason = .end
                break
            }
            result.tokens.append(token)
            let bytes = characters.append(tokenizer.bytes(of: token))
            if !bytes.isEmpty { try output(bytes) }
            if result.tokens.count < limit {
                try computed { () throws(ModelError) in try state.append([token]) }
            }
        }
        let rest = characters.rest
        if !rest.isEmpty { try output(rest) }
        result.time = first.duration(to: clock.now)
        return result
    }

    /// Work of the model, its errors as those of the checkpoint.
    private func computed<Value>(_ work: () throws(ModelError) -> Value) throws(CheckpointError) -> Value {
        do throws(ModelError) { return try work() } catch { throw error.checkpointError }
    }
}

/// Holds back the bytes of a character that is not complete.
package struct CharacterBuffer {
    /// Bytes of the incomplete character.
    package private(set) var rest: [UInt8] = []

    package init() {}

    /// Adds bytes; returns those of whole characters.
    package mutating func append(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        rest += bytes
        let count = rest.count - Self.incompleteCount(rest)
        defer { rest.removeFirst(count) }
        return Array(rest[..<count])
    }

    /// Bytes at the end that begin a character of UTF-8 and do not complete it.
    private static func incompleteCount(_ bytes: [UInt8]) -> Int {
        for back in 1...4 where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return back < length ? back : 0
        }
        return 0
    }
}
