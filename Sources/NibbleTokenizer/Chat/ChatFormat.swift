public import NibbleCheckpoint

/// How a model wants a conversation written: its chat template.
///
/// ```swift
/// let format = try ChatFormat(tokenizer, path: path)
/// let prompt = try format.render([.user("Hello")], addingGenerationPrompt: true, date: today)
/// let tokens = tokenizer.encode(prompt, addingSpecial: true, parsingSpecial: true)
/// ```
///
/// Templates are run as `transformers` runs them. The token for the beginning is left out of the text where
/// ``Tokenizer/encode(_:addingSpecial:parsingSpecial:)-(String,_,_)`` adds it, as llama.cpp does.
public struct ChatFormat: Sendable {
    private let template: JinjaTemplate
    /// Texts of special tokens that templates write: `bos_token`.
    private let tokens: [JinjaValue.Member]
    /// The text that the tokenizer puts before every other.
    private let beginning: [UInt8]
    private let path: String

    /// Reads the default template of a tokenizer's vocabulary.
    ///
    /// - Parameter path: Where the vocabulary comes from, for errors.
    /// - Throws: ``CheckpointError`` where there is no template, or it cannot be read.
    public init(_ tokenizer: Tokenizer, path: String) throws(CheckpointError) {
        let templates = tokenizer.vocabulary.chatTemplates
        guard let template = templates.first(where: { $0.name == "default" }) ?? templates.first else {
            throw CheckpointError(
                .missing, path: path, subject: "chat template",
                "is missing: this model was not trained for conversations")
        }
        func text(_ token: Int32?) -> String? { token.map { tokenizer.text(of: $0) } }
        let (first, last) = (text(tokenizer.beginning), text(tokenizer.end))
        let beginning = tokenizer.addsBeginning ? first ?? "" : ""
        try self.init(
            template: template.source,
            tokens: ["bos_token": first, "eos_token": last, "unk_token": text(tokenizer.unknown)]
                .compactMapValues(\.self),
            beginning: beginning, path: path)
    }

    /// Reads a template.
    ///
    /// - Parameters:
    ///   - template: Its source.
    ///   - tokens: Texts of special tokens by the names that templates have for them: `bos_token`, `eos_token`.
    ///   - beginning: What is left out at the beginning of the text.
    ///   - path: Where the template comes from, for errors.
    /// - Throws: ``CheckpointError`` with the line that cannot be read.
    public init(
        template: String, tokens: [String: String] = [:], beginning: String = "", path: String
    ) throws(CheckpointError) {
        do throws(JinjaError) {
            self.template = try JinjaTemplate(template)
        } catch {
            throw Self.failure(error, path: path)
        }
        self.tokens = tokens.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }
        self.beginning = Array(beginning.utf8)
        self.path = path
    }

    /// The text of a conversation.
    ///
    /// The contents are written as they are: with `parsingSpecial`, texts of control tokens in them count as such.
    ///
    /// - Parameters:
    ///   - messages: The turns so far.
    ///   - addingGenerationPrompt: Whether to begin the turn of the model.
    ///   - date: What templates take for the time.
    /// - Throws: ``CheckpointError`` where the template refuses the messages, or does what is not supported.
    public func render(
        _ messages: [ChatMessage], addingGenerationPrompt: Bool, date: ChatDate = .ofTemplates
    ) throws(CheckpointError) -> String {
        try render(
            Conversation(messages), addingGenerationPrompt: addingGenerationPrompt, date: date
        ).text
    }

    /// What the template prints of a conversation, without ``beginning``.
    package func render(
        _ conversation: Conversation, addingGenerationPrompt: Bool, date: ChatDate = .ofTemplates
    ) throws(CheckpointError) -> JinjaTemplate.Output {
        var output: JinjaTemplate.Output
        do throws(JinjaError) {
            output = try template.render(
                tokens + conversation.variables + [
                    .init("messages", .list(conversation.messages)),
                    .init("add_generation_prompt", .bool(addingGenerationPrompt)),
                ], date: date)
        } catch {
            throw Self.failure(error, path: path)
        }
        if !beginning.isEmpty, output.bytes.starts(with: beginning) {
            output.bytes.removeFirst(beginning.count)
            output.generated = output.generated.compactMap { range in
                let start = max(0, range.lowerBound - beginning.count)
                let end = range.upperBound - beginning.count
                return end > start ? start..<end : nil
            }
        }
        return output
    }

    private static func failure(_ error: JinjaError, path: String) -> CheckpointError {
        let line = error.line.map { "line \($0)" } ?? "somewhere"
        return error.isRaised
            ? CheckpointError(
                .invalidRequest, path: path, subject: "chat template",
                "refuses the conversation (\(line)): \(error.problem)")
            : CheckpointError(.unsupported, path: path, subject: "chat template", "\(line): \(error.problem)")
    }
}
