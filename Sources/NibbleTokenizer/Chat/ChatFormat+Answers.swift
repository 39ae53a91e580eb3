public import NibbleCheckpoint

/// A conversation in tokens, and which of them are answers of the model.
public struct ChatTokens: Sendable {
    /// The whole conversation, with the token for the beginning where the vocabulary adds one.
    public var tokens: [Int32]
    /// Whether each token is part of an answer, the token that ends it included.
    public var isAnswer: [Bool]
    /// What the template wrote, without the token for the beginning where the vocabulary adds it.
    public var text: [UInt8]
}

extension ChatFormat {
    /// A conversation in tokens. Answers are what `{% generation %}` marks; where the template has none, what becomes of the
    /// contents of the model's turns, and the control token after each.
    ///
    /// - Throws: ``CheckpointError`` where the template refuses the conversation.
    public func tokens(of conversation: Conversation, _ tokenizer: Tokenizer) throws(CheckpointError)
        -> ChatTokens
    {
        let output = try render(conversation, addingGenerationPrompt: false)
        let isMarked = !output.generated.isEmpty
        let answers = isMarked ? output.generated : try places(of: conversation, in: output.bytes)
        let tokens = tokenizer.encode(output.bytes, addingSpecial: true, parsingSpecial: true)
        let places = tokenizer.places(of: tokens, in: output.bytes)
        var isAnswer = places.map { place in
            !place.isEmpty && answers.contains { $0.overlaps(place) }
        }
        if !isMarked {
            for index in tokens.indices.dropFirst()
            where isAnswer[index - 1] && !isAnswer[index] && tokenizer.isControl(tokens[index])
                && !tokenizer.isControl(tokens[index - 1])
            {
                isAnswer[index] = true
            }
        }
        return ChatTokens(tokens: tokens, isAnswer: isAnswer, text: output.bytes)
    }

    /// Where the contents of the model's turns are in the text: what differs when they are something else.
    private func places(
        of conversation: Conversation, in text: [UInt8]
    ) throws(CheckpointError) -> [Range<Int>] {
        var places: [Range<Int>] = []
        for answer in conversation.answers {
            let content = (conversation.messages[answer].member("content")?.text ?? "").utf8.filter {
                $0 > 0x20
            }
            // A digit with which the content neither begins nor ends.
            let mark = "012".first { $0.asciiValue != content.first && $0.asciiValue != content.last }
            let other = conversation.replacing(answer, by: mark.map(String.init) ?? "")
            let changed = try render(other, addingGenerationPrompt: false).bytes
            let start = zip(text, changed).prefix { $0 == $1 }.count
            let rest = zip(text.reversed(), changed.reversed()).prefix { $0 == $1 }.count
            // What both begin and end with may be the same bytes.
            let end = text.count - min(rest, min(text.count, changed.count) - start)
            if end > start { places.append(start..<end) }
        }
        return places
    }
}

extension Tokenizer {
    /// Whether a token is one for control: it stands for nothing that is said.
    func isControl(_ token: Int32) -> Bool { !roles.attributes[Int(token)].isDisjoint(with: .hidden) }

    /// The bytes of `text` that each of its tokens stands for; empty for those that stand for none of it.
    ///
    /// Bytes that encoding leaves out, and those of tokens for the unknown, are nobody's.
    package func places(of tokens: [Int32], in text: [UInt8]) -> [Range<Int>] {
        var cursor = 0
        /// How far a token may lie behind the one before: characters without a token have four bytes at most.
        let reach = 64
        return tokens.enumerated().map { index, token in
            if index == 0, addsBeginning, token == beginning { return 0..<0 }
            let piece = bytes(of: token, showingSpecial: true)
            // The space that encoding puts before a text is not in it.
            let forms = piece.first == UInt8(ascii: " ") ? [piece, piece.dropFirst()] : [piece]
            for form in forms {
                for start in cursor...min(text.count, cursor + reach) where text[start...].starts(with: form)
                {
                    cursor = start + form.count
                    return start..<cursor
                }
            }
            return cursor..<cursor
        }
    }
}
