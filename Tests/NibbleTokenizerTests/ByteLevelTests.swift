import Testing

@testable import NibbleCheckpoint
@testable import NibbleTokenizer

@Suite("Byte-level BPE vocabularies")
struct ByteLevelTests {
    private func tokenizer(
        _ merges: [String], others: [String: Vocabulary.TokenKind] = [:], preTokenizer: String = "gpt-2"
    ) throws -> Tokenizer {
        try Tokenizer(
            SmallVocabularies.byteLevel(merges, others: others, preTokenizer: preTokenizer), path: "test")
    }

    @Test("Merges apply by rank, within words")
    func ranks() throws {
        #expect(try tokenizer(["b c", "a b"]).texts("abc") == ["a", "bc"])
        #expect(try tokenizer(["a b", "b c"]).texts("abc") == ["ab", "c"])
        #expect(try tokenizer(["a Ġ", "Ġ a"]).texts("a a") == ["a", "Ġa"])
    }

    @Test("Bytes are spelled in the byte alphabet")
    func alphabet() throws {
        #expect(try tokenizer([]).texts("é\n ") == ["Ã", "©", "Ċ", "Ġ"])
        let tokenizer = try tokenizer([])
        let text = "any тext \u{0}\u{7F} 你好"
        #expect(
            tokenizer.decode(tokenizer.encode(text, addingSpecial: false, parsingSpecial: false))
                == Array(text.utf8))
    }

    @Test("A word that is a token is taken whole where merges are ignored")
    func ignoresMerges() throws {
        #expect(try tokenizer(["a b"], others: ["abc": .normal]).texts("abc") == ["ab", "c"])
        #expect(
            try tokenizer(
                ["a b"], others: ["abc": .normal, "<s>": .control, "<t>": .control, "x0": .normal],
                preTokenizer: "llama-bpe"
            ).texts("abc") == ["abc"])
    }

    @Test("A merge whose result is no token leaves its ASCII letters")
    func resultWithoutToken() throws {
        var vocabulary = SmallVocabularies.byteLevel(["a b"])
        vocabulary.tokens[vocabulary.tokens.count - 1] = "other"
        #expect(try Tokenizer(vocabulary, path: "test").texts("abc") == ["a", "b", "c"])
    }

    @Test("Bytes that are no UTF-8 are read as U+FFFD, overlong forms as short ones")
    func invalid() throws {
        let tokenizer = try tokenizer([])
        func decoded(_ bytes: [UInt8]) -> [UInt8] {
            tokenizer.decode(tokenizer.encode(bytes, addingSpecial: false, parsingSpecial: false))
        }
        let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]
        #expect(decoded([0xFF, 0x61]) == replacement + [0x61])
        #expect(decoded([0xE4, 0xBD]) == replacement + replacement)
        #expect(decoded([0xC1, 0xA1]) == [0x61])
        #expect(decoded([0xED, 0xA0, 0x80]) == [0xED, 0xA0, 0x80])
        #expect(decoded([0xF4, 0x90, 0x80, 0x80]) == replacement + replacement + replacement + replacement)
    }

    @Test("A pre-tokenizer that is not known is an error that lists the known ones")
    func unknownPreTokenizer() throws {
        let error = #expect(throws: CheckpointError.self) { try tokenizer([], preTokenizer: "tekken") }
        #expect(error?.code == .unsupported)
        #expect(error?.description.contains("smollm") == true)
    }
}
