internal import NibbleCheckpoint
internal import NibbleTokenizer

// Conversations to tokens, of which answers are scored.
extension Evaluator {
    /// The conversations of a text, written by the first model's chat template.
    ///
    /// - Throws: ``CheckpointError`` where there is no template, it refuses a conversation, no answer is within the context,
    ///   or tokenizers give different tokens.
    static func conversations(
        of text: EvaluationText, _ tokenizers: [Tokenizer], _ request: EvaluationRequest,
        _ notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> TokenizedText {
        try check(text, request)
        let paths = request.allModels
        let format = try ChatFormat(tokenizers[0], path: paths[0])
        var kept: [(name: String, tokens: ChatTokens)] = []
        var cutCount = 0
        for chat in text.conversations {
            let tokens = try tokens(of: chat, format, tokenizers[0])
            for (tokenizer, path) in zip(tokenizers, paths).dropFirst() {
                let others = tokenizer.encode(tokens.text, addingSpecial: true, parsingSpecial: true)
                try checkSame(others, tokens.tokens, of: chat.name, path, paths[0])
            }
            guard !ChunkPlan.scored(tokens, context: request.context).isEmpty else { continue }
            kept.append((chat.name, tokens))
            if tokens.tokens.count > request.context { cutCount += 1 }
        }
        let all = text.conversations.count
        guard !kept.isEmpty else {
            throw CheckpointError(
                .invalidRequest, path: text.name,
                "has no answer of the model within \(request.context) tokens, in \(all) conversations",
                advice:
                    "answers are messages of the role 'assistant'; choose a larger context if there are some")
        }
        if kept.count < all {
            notes.append(
                CheckpointNote(
                    path: text.name,
                    "\(all - kept.count) of \(all) conversations have no answer within \(request.context) tokens and are left "
                        + "out"))
        }
        if cutCount > 0 {
            notes.append(
                CheckpointNote(
                    path: text.name,
                    "\(cutCount) of \(all) conversations are cut at \(request.context) tokens"))
        }
        return TokenizedText(
            name: text.name, tokens: [], documents: kept.map(\.name), starts: [0],
            conversations: kept.map(\.tokens))
    }

    private static func check(_ text: EvaluationText, _ request: EvaluationRequest) throws(CheckpointError) {
        if request.stride != nil {
            throw CheckpointError(
                .invalidRequest, path: text.name,
                "holds conversations, which are not cut: there is no stride",
                advice: "leave the stride out")
        }
        if let path = request.savedLogits {
            throw CheckpointError(
                .unsupported, path: path, "a file of logits holds chunks of one length, no conversations",
                advice: "name a text")
        }
    }

    private static func tokens(
        of chat: EvaluationText.Chat, _ format: ChatFormat, _ tokenizer: Tokenizer
    ) throws(CheckpointError) -> ChatTokens {
        do throws(CheckpointError) {
            return try format.tokens(of: chat.conversation, tokenizer)
        } catch {
            var error = error
            error.problem = "\(error.problem) (\(chat.name))"
            throw error
        }
    }
}
