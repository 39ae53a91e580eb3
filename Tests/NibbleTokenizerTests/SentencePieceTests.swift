import Testing

@testable import NibbleCheckpoint
@testable import NibbleTokenizer

@Suite("SentencePiece vocabularies")
struct SentencePieceTests {
    private func tokenizer(
        _ pieces: [String], kinds: [String: Vocabulary.TokenKind] = [:], addsSpace: Bool? = false
    ) throws -> Tokenizer {
        try Tokenizer(
            SmallVocabularies.sentencePiece(pieces, kinds: kinds, addsSpace: addsSpace), path: "test")
    }

    @Test("The pair with the highest score merges first, then the leftmost")
    func order() throws {
        // bc goes before ab; then a|bc has no merge.
        #expect(try tokenizer(["bc", "ab", "a", "b", "c"]).texts("abc") == ["a", "bc"])
        #expect(try tokenizer(["ab", "bc", "a", "b", "c"]).texts("abc") == ["ab", "c"])
        // aa from the left: three make one pair and one.
        #expect(try tokenizer(["aa", "a"]).texts("aaa") == ["aa", "a"])
        #expect(try tokenizer(["aaaa", "aa", "a"]).texts("aaaaaaa") == ["aaaa", "aa", "a"])
    }

    @Test("Any cut of a token merges, even where a half is a scalar without a token")
    func halvesWithoutToken() throws {
        #expect(try tokenizer(["xy"]).texts("xy") == ["xy"])
        #expect(try tokenizer(["xy"]).texts("xx") == ["<0x78>", "<0x78>"])
        #expect(try tokenizer(["éa", "xéa"]).texts("xéaé") == ["xéa", "<0xC3>", "<0xA9>"])
    }

    @Test("Spaces become U+2581, and words are apart where no token crosses")
    func spaces() throws {
        let tokenizer = try tokenizer(["▁▁", "▁a", "▁", "a"])
        #expect(tokenizer.texts("a a  a") == ["a", "▁a", "▁▁", "a"])
        #expect(tokenizer.texts("▁a") == ["▁a"])
    }

    @Test("A space goes before the text, and after special tokens, unless the vocabulary says not to")
    func prefix() throws {
        let pieces = ["▁a", "▁", "a"]
        #expect(try tokenizer(pieces, addsSpace: nil).texts("a") == ["▁a"])
        #expect(
            try tokenizer(pieces, addsSpace: true).texts("a</s>a", parsingSpecial: true) == [
                "▁a", "</s>", "▁a",
            ])
        #expect(try tokenizer(pieces, addsSpace: false).texts("a") == ["a"])
        #expect(try tokenizer(pieces, addsSpace: true).texts("") == [])
        let tokenizer = try tokenizer(pieces, addsSpace: true)
        #expect(
            tokenizer.decode(tokenizer.encode("a a", addingSpecial: true, parsingSpecial: false))
                == Array("a a".utf8))
    }

    @Test("Invalid UTF-8 becomes byte tokens, as many as the first byte says")
    func invalid() throws {
        let tokenizer = try tokenizer(["a", "▁", "aa"])
        func texts(_ bytes: [UInt8]) -> [String] {
            tokenizer.encode(bytes, addingSpecial: false, parsingSpecial: false).map {
                tokenizer.text(of: $0)
            }
        }
        #expect(texts([0xFF]) == ["<0xFF>"])
        #expect(texts([0xC3, 0x61, 0x61]) == ["<0xC3>", "<0x61>", "a"])
        #expect(texts([0xC3, 0x20, 0x61]) == ["<0xC3>", "<0xE2>", "<0x96>", "<0x81>", "a"])
        #expect(texts([0x80, 0x61]) == ["<0x80>", "a"])
        #expect(texts([0xE0, 0x80, 0x80, 0x61]) == ["<0xE0>", "<0x80>", "<0x80>", "a"])
        #expect(texts([0xED, 0xA0, 0x80]) == ["<0xED>", "<0xA0>", "<0x80>"])
    }

    @Test("Without byte tokens, the unknown token stands for a byte")
    func withoutBytes() throws {
        let vocabulary = Vocabulary(
            model: .sentencePiece, tokens: ["<unk>", "<s>", "</s>", "a"], scores: [0, 0, 0, 0],
            kinds: [.unknown, .control, .control, .normal], merges: nil, special: .init(),
            addsSpacePrefix: false,
            chatTemplates: [])
        #expect(try Tokenizer(vocabulary, path: "test").texts("aé") == ["a", "<unk>", "<unk>"])
    }

    @Test("A word of a million letters is encoded")
    func longWord() throws {
        let tokenizer = try tokenizer(["aa", "aaaa", "aaaaaaaa", "a"])
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_001)
        let tokens = tokenizer.encode(text, addingSpecial: false, parsingSpecial: false)
        #expect(tokens.count == 125_001)
        #expect(tokenizer.decode(tokens) == text)
    }

    @Test("Tokens that nest without end are an error, not a table without end")
    func nested() {
        let pieces = (1...2000).map { String(repeating: "a", count: $0) }
        let error = #expect(throws: CheckpointError.self) { try tokenizer(pieces) }
        #expect(error?.code == .unsupported)
    }
}
