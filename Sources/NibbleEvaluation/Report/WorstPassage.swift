internal import NibbleCheckpoint
internal import NibbleTokenizer

/// A token on which a model diverges much, in its context, with what the models said in its place.
public struct WorstPassage: Sendable, Equatable {
    /// The text that it is of.
    public let text: String
    /// What stands before it.
    public let before: String
    /// The token itself.
    public let token: String
    /// What the model holds the most probable.
    public let top: String
    /// What the base model holds the most probable.
    public let baseTop: String
    /// What the models made of it.
    public let score: TokenDivergence

    /// Tokens of context that are shown.
    static let context = 24
}

extension Evaluator {
    /// The tokens on which a model diverges most, of all texts; empty where the tokenizer is not known.
    ///
    /// - Parameters:
    ///   - evaluation: what ``run(progress:isCancelled:)`` found.
    ///   - model: by its place in ``models``.
    public func worstPassages(_ evaluation: Evaluation, model: Int) -> [WorstPassage] {
        guard let tokenizer else { return [] }
        func text(_ tokens: some Sequence<Int32>) -> String {
            String(decoding: tokenizer.decode(tokens, showingSpecial: true), as: UTF8.self)
        }
        return evaluation.worstTokens(model: model).map { index, token in
            let tokens = plans[index].plan[token.chunk].tokens
            let start = max(0, token.position - WorstPassage.context)
            return WorstPassage(
                text: plans[index].name, before: text(tokens[start..<token.position]),
                token: text([tokens[token.position]]), top: text([token.top]),
                baseTop: text([token.baseTop]), score: token.score)
        }
    }
}
