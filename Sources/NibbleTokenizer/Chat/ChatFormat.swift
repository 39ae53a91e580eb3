public import NibbleCheckpoint

/// How a model wants a conversation written.
///
/// Jinja templates are not run: they are recognised by their text and rendered by rule, as llama.cpp does
/// (llama-chat.cpp, `llm_chat_detect_template`, `llm_chat_apply_template`).
///
/// ```swift
/// let format = try ChatFormat(tokenizer.vocabulary, path: path)
/// let prompt = format.render([.user("Hello")], addingGenerationPrompt: true)
/// let tokens = tokenizer.encode(prompt, addingSpecial: true, parsingSpecial: true)
/// ```
///
/// Differences from the templates themselves: the token for the beginning is left to
/// ``Tokenizer/encode(_:addingSpecial:parsingSpecial:)-(String,_,_)``; no system message is made up where there is
/// none (SmolLM2 and Qwen 2.5 do, Llama 3.1 writes a date); tools are not known; and the order of roles is not
/// checked.
public enum ChatFormat: String, Sendable, CaseIterable {
    /// `<start_of_turn>user`; a system message goes into the next message of the user.
    case gemma
    /// `<|start_header_id|>user<|end_header_id|>`
    case llama3
    /// `<|im_start|>user`: Qwen, SmolLM2 and others.
    case chatML = "chatml"

    /// Recognises the default template of a vocabulary.
    ///
    /// - Parameter path: Where the vocabulary comes from, for errors.
    /// - Throws: ``CheckpointError`` where there is no template, or an unknown one.
    public init(_ vocabulary: Vocabulary, path: String) throws(CheckpointError) {
        let templates = vocabulary.chatTemplates
        guard let template = templates.first(where: { $0.name == "default" }) ?? templates.first else {
            throw CheckpointError(
                .missing, path: path, subject: "chat template",
                "is missing: this model was not trained for conversations")
        }
        try self.init(template: template.source, path: path)
    }

    /// Recognises a template by its Jinja source, or by the name of a format.
    ///
    /// - Parameter path: Where the template comes from, for errors.
    /// - Throws: ``CheckpointError`` with the formats that are known.
    public init(template: String, path: String) throws(CheckpointError) {
        guard let format = Self.recognised(template) else {
            throw CheckpointError(
                .unsupported, path: path, subject: "chat template",
                "is of an unknown format; known: " + Self.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self = format
    }

    /// Follows the order in which llama.cpp looks for formats.
    private static func recognised(_ template: String) -> ChatFormat? {
        if let named = ChatFormat(rawValue: template) { return named }
        func has(_ markers: String...) -> Bool {
            markers.allSatisfy { template.utf8.contains($0.utf8) }
        }
        if has("<|im_start|>") {
            return has("<|im_sep|>") || has("<end_of_utterance>") ? nil : .chatML
        }
        let isForeign =
            template.utf8.starts(with: "mistral".utf8) || has("[INST]") || has("<|assistant|>", "<|end|>")
            || has("[gMASK]<sop>") || has("<|assistant|>", "<|user|>")
            || has("<|{{ item['role'] }}|>", "<|begin_of_image|>") || has("<|user|>", "<|endoftext|>")
            || has("bos_token + message['role']")
        if isForeign { return nil }
        if has("<start_of_turn>") { return .gemma }
        let isForeignToo =
            has(#"'\n\nAssistant: ' + eos_token"#) || has("GPT4 Correct ") || has("USER: ", "ASSISTANT: ")
            || has("### Instruction:", "<|EOT|>") || has("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>")
        if isForeignToo { return nil }
        return has("<|start_header_id|>", "<|end_header_id|>") ? .llama3 : nil
    }
}

extension ChatFormat {
    /// The text of a conversation.
    ///
    /// The contents are written as they are: with `parsingSpecial`, texts of control tokens in them count as such.
    ///
    /// - Parameters:
    ///   - messages: The turns so far.
    ///   - addingGenerationPrompt: Whether to begin the turn of the model.
    public func render(_ messages: [ChatMessage], addingGenerationPrompt: Bool) -> String {
        var text = ""
        switch self {
        case .gemma:
            var system = ""
            for message in messages {
                guard message.role != "system" else {
                    system += Self.trimmed(message.content)
                    continue
                }
                let role = message.role == "assistant" ? "model" : message.role
                text += "<start_of_turn>\(role)\n"
                if !system.isEmpty, role != "model" {
                    text += system + "\n\n"
                    system = ""
                }
                text += Self.trimmed(message.content) + "<end_of_turn>\n"
            }
            if addingGenerationPrompt { text += "<start_of_turn>model\n" }
        case .llama3:
            func header(_ role: String) -> String { "<|start_header_id|>\(role)<|end_header_id|>\n\n" }
            for message in messages {
                text += header(message.role) + Self.trimmed(message.content) + "<|eot_id|>"
            }
            if addingGenerationPrompt { text += header("assistant") }
        case .chatML:
            for message in messages { text += "<|im_start|>\(message.role)\n\(message.content)<|im_end|>\n" }
            if addingGenerationPrompt { text += "<|im_start|>assistant\n" }
        }
        return text
    }

    /// Without ASCII whitespace at both ends.
    private static func trimmed(_ text: String) -> String {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let bytes = text.utf8
        guard let first = bytes.firstIndex(where: { !isSpace($0) }),
            let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(text[first...last])
    }
}
