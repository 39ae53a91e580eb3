internal import Nibble

/// Conversations in tokens, with those marked that are answers.
struct ConversationTokensReport {
    private let tokenizer: Tokenizer
    private let conversations: [(line: Int, tokens: ChatTokens)]

    /// Reads the conversations of a file and writes them with a model's chat template.
    init(_ tokenizer: Tokenizer, path: String, conversations file: String) throws {
        self.tokenizer = tokenizer
        let format = try ChatFormat(tokenizer, path: path)
        conversations = try Conversation.read(file).map { line, conversation in
            (line, try format.tokens(of: conversation, tokenizer))
        }
    }

    /// Writes the tokens to standard output and their numbers to standard error.
    func write(_ format: TokenReport.Format) throws(CheckpointError) {
        switch format {
        case .json:
            let parts = conversations.map { line, chat in
                JSONValue.members([
                    "line": .integer(line), "count": .integer(chat.tokens.count),
                    "tokens": .array(
                        zip(chat.tokens, chat.isAnswer).map { token, isAnswer in
                            .members([
                                "id": .integer(Int(token)), "text": .string(text(token)),
                                "answer": .bool(isAnswer),
                            ])
                        }),
                ])
            }
            let warnings = JSONValue.array(tokenizer.vocabulary.notes.map { .string($0.description) })
            try StandardOutput.print(
                JSONValue.members(["conversations": .array(parts), "warnings": warnings]).serialized(
                    pretty: false))
        case .ids, .lines:
            for (place, part) in conversations.enumerated() {
                if place > 0 { try StandardOutput.print("") }
                let lines = zip(part.tokens.tokens, part.tokens.isAnswer).map { token, isAnswer in
                    format == .ids ? "\(token)" : "\(token)\t\(text(token))" + (isAnswer ? "\tanswer" : "")
                }
                try StandardOutput.print(lines.joined(separator: "\n"))
            }
        }
        let answers = conversations.reduce(0) { $0 + $1.tokens.isAnswer.count { $0 } }
        let all = conversations.reduce(0) { $0 + $1.tokens.tokens.count }
        StandardError.write("\(conversations.count) conversations, \(all) tokens, \(answers) of answers\n")
    }

    private func text(_ token: Int32) -> String {
        TokenReport.escaped(tokenizer.bytes(of: token, showingSpecial: true))
    }
}
