/// A vocabulary as the files of a hub folder spell it.
///
/// GGUF stores tokens as llama.cpp's converter normalized them (conversion/base.py,
/// `_create_vocab_sentencepiece` and `get_vocab_base`); this undoes that, such that the converter arrives at
/// the same tokens, scores and kinds again.
struct HubVocabulary {
    let vocabulary: Vocabulary
    /// For errors: where the vocabulary comes from.
    let path: String
    /// The text of each token: in SentencePiece vocabularies, user-defined tokens have U+2581 for spaces.
    let texts: [String]
    /// Tokens before the `[PADn]` at the end, which stand for rows of the embedding without a token.
    let count: Int
    /// The tokens by ``texts``.
    let index: TokenIndex

    /// The score that the converter gives to tokens which a configuration file lists.
    static let listedScore: Float = -1000
    /// The score that it gives to rows without a token.
    static let padScore: Float = -10_000

    init(_ vocabulary: Vocabulary, path: String) {
        self.vocabulary = vocabulary
        self.path = path
        var count = vocabulary.tokens.count
        while count > 1, Self.isPad(vocabulary, count - 1) { count -= 1 }
        self.count = count
        guard vocabulary.isSentencePiece else {
            texts = vocabulary.tokens
            index = TokenIndex(texts)
            return
        }
        let spaced = zip(vocabulary.tokens, vocabulary.kinds).map { text, kind in
            kind == .userDefined && text.utf8.contains(UInt8(ascii: " ")) ? text.escapingSpaces : text
        }
        let index = TokenIndex(spaced)
        // Where that makes two tokens one, the spaces stay: the converter then reads the same.
        texts = index.duplicate == nil ? spaced : vocabulary.tokens
        self.index = index.duplicate == nil ? index : TokenIndex(vocabulary.tokens)
    }

    private static func isPad(_ vocabulary: Vocabulary, _ token: Int) -> Bool {
        guard vocabulary.kinds[token] == .unused, vocabulary.tokens[token] == "[PAD\(token)]" else {
            return false
        }
        return vocabulary.scores.map { $0[token] == padScore } ?? true
    }

    /// Whether tokenizer.json lists a token. Rows without one are listed as well where tokens follow: libraries number
    /// what is added by how many there are.
    func isWritten(_ token: Int) -> Bool { token < count }

    /// Whether a token is cut out of a text before it is tokenized.
    func isAdded(_ token: Int) -> Bool {
        switch vocabulary.kinds[token] {
        case .control, .userDefined, .unknown: true
        case .normal, .unused, .byte: false
        }
    }

    /// Whether a token is left out when tokens become text.
    func isSpecial(_ token: Int) -> Bool { isAdded(token) && vocabulary.kinds[token] != .userDefined }

    /// Where a configuration file must list a token for the converter to see its kind.
    enum Listing {
        /// Nowhere: tokenizer.model says it.
        case none
        /// `added_tokens_decoder` in tokenizer_config.json.
        case decoder
        /// added_tokens.json: there, the converter does not take a look at the text.
        case file
    }

    func listing(_ token: Int) -> Listing {
        guard let scores = vocabulary.scores else { return isAdded(token) ? .decoder : .none }
        switch vocabulary.kinds[token] {
        case .control: return scores[token] == Self.listedScore || token == unknown ? .decoder : .none
        case .userDefined: return vocabulary.tokens[token].looksSpecial ? .file : .decoder
        default: return .none
        }
    }

    /// The score of a piece in tokenizer.model. Listed tokens have lost theirs; the trainer gives 0, which
    /// makes them merge before all others.
    func score(_ token: Int) -> Float {
        guard let scores = vocabulary.scores else { return 0 }
        return scores[token] == Self.listedScore && listing(token) != .none ? 0 : scores[token]
    }

    /// The token that stands for what the vocabulary cannot express.
    var unknown: Int? { vocabulary.kinds.firstIndex(of: .unknown) ?? vocabulary.special.unknown }

    /// The text of a token with a role; nil where the role is not filled.
    func text(_ role: KeyPath<Vocabulary.SpecialTokens, Int?>) -> String? {
        vocabulary.special[keyPath: role].map { texts[$0] }
    }

    /// Whether SentencePiece puts a space before the text: llama.cpp does unless told otherwise.
    var addsSpacePrefix: Bool { vocabulary.isSentencePiece && vocabulary.addsSpacePrefix ?? true }

    /// Whether all 256 bytes have a token.
    var fallsBackToBytes: Bool {
        vocabulary.kinds.lazy.filter { $0 == .byte }.count == 256
            && (0..<256).allSatisfy { index.token(Self.byteToken($0)).map { vocabulary.kinds[$0] } == .byte }
    }

    /// `<0x0A>`
    private static func byteToken(_ byte: Int) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (byte < 16 ? "0" : "") + digits + ">"
    }
}

extension Vocabulary {
    /// Whether the vocabulary is of the SentencePiece family.
    var isSentencePiece: Bool { model == .sentencePiece }
}

extension String {
    /// The text with U+2581 for each space, as SentencePiece writes spaces.
    var escapingSpaces: String {
        var scalars = UnicodeScalarView()
        for scalar in unicodeScalars { scalars.append(scalar == " " ? "\u{2581}" : scalar) }
        return String(scalars)
    }
}
