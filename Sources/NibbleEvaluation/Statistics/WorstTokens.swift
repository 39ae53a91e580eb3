/// The tokens of a text on which a model diverges most from the base model.
public struct WorstTokens: Sendable, Equatable {
    /// A token, and what the models said in its place.
    public struct Token: Sendable, Equatable {
        /// The chunk that it is in.
        public var chunk: Int
        /// Its place in the chunk.
        public var position: Int
        /// What the models made of it.
        public var score: TokenDivergence
        /// The token that the model holds the most probable.
        public var top: Int32
        /// The token that the base model holds the most probable.
        public var baseTop: Int32
    }

    /// How many are kept.
    public static let limit = 12
    /// The largest divergence first; of equal ones, the first of the text.
    public private(set) var tokens: [Token] = []

    /// None.
    public init() {}

    /// Keeps a token, if it is one of the worst. Tokens come in the order of the text.
    mutating func add(_ token: Token) {
        if tokens.count == Self.limit, let last = tokens.last, last.score.divergence >= token.score.divergence
        {
            return
        }
        let place =
            tokens.firstIndex { $0.score.divergence < token.score.divergence } ?? tokens.count
        tokens.insert(token, at: place)
        if tokens.count > Self.limit { tokens.removeLast() }
    }
}
