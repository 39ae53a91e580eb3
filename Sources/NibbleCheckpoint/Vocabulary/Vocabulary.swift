/// The tokens of a model and what a tokenizer has to know of them, independent of how a file spells it.
///
/// Read from `tokenizer.model`, `tokenizer.json` and `tokenizer_config.json`, or from GGUF metadata, and
/// written to either. Token `i` of every array is row `i` of the embedding.
public struct Vocabulary: Sendable {
    /// How text is cut into tokens.
    public var model: Model
    /// The text of each token as GGUF stores it: SentencePiece pieces with U+2581 for a space, or byte-level
    /// BPE strings in the GPT-2 byte alphabet. Unique.
    public var tokens: [String]
    /// SentencePiece scores, one a token; nil for byte-level BPE.
    public var scores: [Float]?
    /// What each token is.
    public var kinds: [TokenKind]
    /// BPE merges in order of rank, both halves separated by the first space after the first character;
    /// nil for SentencePiece.
    public var merges: [String]?
    /// Tokens with a role of their own.
    public var special: SpecialTokens
    /// Whether a space is put before the text; nil where the file does not say.
    public var addsSpacePrefix: Bool?
    /// The Jinja templates that render a conversation, by name; the unnamed one is `default`.
    public var chatTemplates: [ChatTemplate]
    /// What the user should know of the files that it was read from. Does not count in comparisons.
    public var notes: [CheckpointNote] = []

    /// The tokenizer families of GGUF.
    public enum Model: Sendable, Equatable {
        /// Score-ordered merges with byte fallback: `llama`.
        case sentencePiece
        /// Rank-ordered merges of bytes: `gpt2`, with the name of its pre-tokenizer (`llama-bpe`, `qwen2`).
        case byteLevelBPE(preTokenizer: String)
    }

    /// What a token is; the numbers are those of GGUF and of SentencePiece.
    public enum TokenKind: Int32, Sendable, CaseIterable {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// Ids of tokens with a role of their own, and whether they are added to a text.
    public struct SpecialTokens: Sendable, Equatable {
        /// Beginning of a sequence.
        public var beginning: Int?
        /// End of a sequence.
        public var end: Int?
        /// Stands for what the vocabulary cannot express.
        public var unknown: Int?
        /// Fills a batch.
        public var padding: Int?
        /// End of a turn in a conversation.
        public var endOfTurn: Int?
        /// Whether ``beginning`` is put before a text; nil where the file does not say.
        public var addsBeginning: Bool?
        /// Whether ``end`` is put after a text; nil where the file does not say.
        public var addsEnd: Bool?

        /// No special tokens.
        public init() {}
    }

    /// A Jinja template that renders a conversation.
    public struct ChatTemplate: Sendable, Equatable {
        /// `default`, or `tool_use`, `rag` and the like.
        public var name = "default"
        /// The Jinja source.
        public var source: String
    }
}

extension Vocabulary: Equatable {
    /// Whether both tokenize in the same way: all but ``notes``.
    public static func == (left: Vocabulary, right: Vocabulary) -> Bool {
        left.model == right.model && left.tokens == right.tokens && left.scores == right.scores
            && left.kinds == right.kinds && left.merges == right.merges && left.special == right.special
            && left.addsSpacePrefix == right.addsSpacePrefix && left.chatTemplates == right.chatTemplates
    }
}
