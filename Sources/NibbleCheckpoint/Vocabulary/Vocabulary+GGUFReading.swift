extension Vocabulary {
    /// Bytes of the longest token that is read; those of real vocabularies stay below 500.
    static let maximumTokenBytes = 1 << 20

    /// Reads the tokenizer from GGUF metadata, with the checks and defaults of llama.cpp (llama-vocab.cpp,
    /// `load`).
    ///
    /// A special token that is out of range counts as none, with a note, where llama.cpp warns. A difference: a kind of
    /// token outside of ``TokenKind`` is an error.
    ///
    /// - Throws: ``CheckpointError`` where a key is missing or has another type than llama.cpp asks for, where
    ///   tokens repeat, or for tokenizers other than `llama` (SentencePiece) and `gpt2` (byte-level BPE).
    public init(ggufMetadata: GGUFMetadata, path: String) throws(CheckpointError) {
        let fields = GGUFFields(metadata: ggufMetadata, path: path)
        model = try Self.model(fields)
        tokens = try Self.tokens(fields)
        kinds = try Self.kinds(fields, count: tokens.count)
        special = SpecialTokens()
        switch model {
        case .sentencePiece:
            scores = try Self.scores(fields, count: tokens.count)
            merges = nil
            // What llama.cpp takes for granted in such a vocabulary.
            if tokens.count > 2 { (special.beginning, special.end, special.unknown) = (1, 2, 0) }
        case .byteLevelBPE:
            scores = nil
            merges = try Self.merges(fields)
        }
        special.beginning = try Self.token(fields, TokenizerKey.beginning, tokens.count) ?? special.beginning
        special.end = try Self.token(fields, TokenizerKey.end, tokens.count) ?? special.end
        special.unknown = try Self.token(fields, TokenizerKey.unknown, tokens.count) ?? special.unknown
        special.padding = try Self.token(fields, TokenizerKey.padding, tokens.count)
        special.endOfTurn = try Self.token(fields, TokenizerKey.endOfTurn, tokens.count)
        special.addsBeginning = try fields.flag(TokenizerKey.addsBeginning)
        special.addsEnd = try fields.flag(TokenizerKey.addsEnd)
        addsSpacePrefix = try fields.flag(TokenizerKey.addsSpacePrefix)
        notes = Self.notes(ggufMetadata: ggufMetadata, path: path)
        chatTemplates = []
        readChatTemplates(fields)
    }

    /// Notes the special tokens of all roles that are out of range.
    package static func notes(ggufMetadata: GGUFMetadata, path: String) -> [CheckpointNote] {
        guard let count = try? ggufMetadata.elementCount(TokenizerKey.tokens) else { return [] }
        return ggufMetadata.keys.compactMap { key in
            guard key.hasPrefix(TokenizerKey.prefix), key.hasSuffix("_token_id"),
                let id = try? ggufMetadata.value(key)?.integer, id >= count
            else { return nil }
            return CheckpointNote(
                path: path, subject: "key '\(key)'",
                "is \(id), there are \(count) tokens; read as none")
        }
    }

    private static func model(_ fields: GGUFFields) throws(CheckpointError) -> Model {
        let name = try fields.required(TokenizerKey.model, try fields.text(TokenizerKey.model))
        switch name {
        case "llama": return .sentencePiece
        case "gpt2":
            return .byteLevelBPE(preTokenizer: try fields.text(TokenizerKey.preTokenizer) ?? "default")
        default:
            throw fields.error(
                .unsupported, TokenizerKey.model,
                "is '\(name)'; supported: llama (SentencePiece), gpt2 (byte-level BPE)")
        }
    }

    private static func tokens(_ fields: GGUFFields) throws(CheckpointError) -> [String] {
        let key = TokenizerKey.tokens
        var tokens = try fields.required(key, try fields.texts(key))
        guard !tokens.isEmpty, tokens.count <= Int32.max else {
            throw fields.error(.malformed, key, "has \(tokens.count) elements")
        }
        for index in tokens.indices {
            if tokens[index].isEmpty { tokens[index] = "[EMPTY_\(index)]" }
            guard tokens[index].utf8.count <= maximumTokenBytes else {
                throw fields.error(
                    .unsupported, key,
                    "has an element \(index) of \(tokens[index].utf8.count) bytes, at most "
                        + "\(maximumTokenBytes) are supported")
            }
        }
        if let (first, second) = TokenIndex(tokens).duplicate {
            throw fields.error(
                .inconsistent, key, "has the same elements \(first) and \(second): '\(tokens[first])'")
        }
        return tokens
    }

    private static func kinds(_ fields: GGUFFields, count: Int) throws(CheckpointError) -> [TokenKind] {
        let key = TokenizerKey.kinds
        guard let value = try fields.metadata.value(key) else {
            return Array(repeating: .normal, count: count)
        }
        guard case .array(.int32, let elements) = value else {
            throw fields.wrongType(key, "array of int32", value)
        }
        try checkLength(fields, key, elements, count)
        var kinds: [TokenKind] = []
        kinds.reserveCapacity(count)
        for (index, element) in elements.prefix(count).enumerated() {
            guard let number = element.integer,
                let kind = TokenKind(rawValue: Int32(truncatingIfNeeded: number))
            else {
                throw fields.error(
                    .malformed, key, "has the element \(element.integer ?? 0) at \(index), expected 1 to 6")
            }
            kinds.append(kind)
        }
        return kinds
    }

    private static func scores(_ fields: GGUFFields, count: Int) throws(CheckpointError) -> [Float] {
        let key = TokenizerKey.scores
        guard let value = try fields.metadata.value(key) else { return Array(repeating: 0, count: count) }
        guard case .array(let type, let elements) = value, type == .float32 || type == .int32 else {
            throw fields.wrongType(key, "array of float32", value)
        }
        try checkLength(fields, key, elements, count)
        let scores = elements.prefix(count).map { Float($0.real ?? Double($0.integer ?? 0)) }
        if let index = scores.firstIndex(where: { !$0.isFinite }) {
            throw fields.error(.invalidValue, key, "has the element \(scores[index]) at \(index)")
        }
        return scores
    }

    private static func checkLength(
        _ fields: GGUFFields, _ key: String, _ elements: [GGUFValue], _ count: Int
    ) throws(CheckpointError) {
        guard elements.count >= count else {
            throw fields.error(
                .inconsistent, key, "has \(elements.count) elements, there are \(count) tokens")
        }
    }

    private static func merges(_ fields: GGUFFields) throws(CheckpointError) -> [String] {
        let key = TokenizerKey.merges
        let merges = try fields.required(key, try fields.texts(key))
        for (index, merge) in merges.enumerated() where MergeRule(merge) == nil {
            throw fields.error(
                .malformed, key,
                "has the element '\(merge)' at \(index), expected two parts and a space between")
        }
        return merges
    }

    private static func token(
        _ fields: GGUFFields, _ key: String, _ count: Int
    ) throws(CheckpointError) -> Int? {
        guard let token = try fields.count(key), token < count else { return nil }
        return token
    }

    /// Reads the templates that can be read, and notes the others: no text is cut by them.
    private mutating func readChatTemplates(_ fields: GGUFFields) {
        func read<Value>(_ value: () throws(CheckpointError) -> Value?, _ notes: inout [CheckpointNote])
            -> Value?
        {
            do throws(CheckpointError) {
                return try value()
            } catch {
                notes.append(
                    CheckpointNote(path: error.path, subject: error.subject, error.problem + "; read as none")
                )
                return nil
            }
        }
        if let source = read(
            { () throws(CheckpointError) in try fields.text(TokenizerKey.chatTemplate) }, &notes)
        {
            chatTemplates.append(ChatTemplate(source: source))
        }
        let names = read(
            { () throws(CheckpointError) in try fields.texts(TokenizerKey.chatTemplateNames) }, &notes)
        for name in names ?? [] where name != "default" {
            let key = "\(TokenizerKey.chatTemplate).\(name)"
            let source = read(
                { () throws(CheckpointError) in try fields.required(key, try fields.text(key)) }, &notes)
            if let source { chatTemplates.append(ChatTemplate(name: name, source: source)) }
        }
    }
}

/// A merge of byte-level BPE: its two halves, which stand before and after the first space that is not the
/// first character.
package struct MergeRule {
    package var left: String
    package var right: String

    /// Takes `text` apart; nil where it has no two halves.
    package init?(_ text: String) {
        let bytes = text.utf8
        guard let second = bytes.index(bytes.startIndex, offsetBy: 1, limitedBy: bytes.endIndex),
            let space = bytes[second...].firstIndex(of: UInt8(ascii: " ")),
            bytes.index(after: space) < bytes.endIndex
        else { return nil }
        left = String(text[..<space])
        right = String(text[bytes.index(after: space)...])
    }
}
