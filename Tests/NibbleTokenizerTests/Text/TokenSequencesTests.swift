import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Sequences of tokens")
struct TokenSequencesTests {
    /// Gemma 3: adds BOS, no EOS.
    private static let gemma = Result { try Tokenizer(path: Fixtures.path("hub/gemma3-text")) }
    /// Qwen 3: adds neither.
    private static let qwen = Result { try Tokenizer(path: Fixtures.path("hub/qwen3")) }

    private func stream(_ text: TokenSequences) -> [Int32] {
        (0..<text.sequenceCount).flatMap { text.sequence($0).dropFirst(text.beginning == nil ? 0 : 1) }
    }

    @Test("cuts a stream into sequences that begin with BOS")
    func beginning() throws {
        let text = try TokenSequences(
            stream: [10, 11, 12, 13, 14, 15, 16, 17], beginning: 2, sequenceLength: 4, name: "a")
        #expect(text.sequenceCount == 2)
        #expect(text.tokenCount == 8)
        #expect(text.sequence(0) == [2, 10, 11, 12])
        #expect(text.sequence(1) == [2, 13, 14, 15])
        let plain = try TokenSequences(
            stream: [10, 11, 12, 13, 14, 15, 16, 17], beginning: nil, sequenceLength: 4, name: "a")
        #expect((0..<2).map(plain.sequence) == [[10, 11, 12, 13], [14, 15, 16, 17]])
    }

    @Test("says how many tokens it has and needs where it is too short")
    func tooShort() throws {
        let error = #expect(throws: TextError.self) {
            try TokenSequences(stream: [1, 2], beginning: 0, sequenceLength: 4, name: "a.txt")
        }
        #expect(error?.description.hasPrefix("a.txt: has 2 tokens, a sequence of 4 needs 3") == true)
        #expect(
            try TokenSequences(stream: [1, 2, 3], beginning: 0, sequenceLength: 4, name: "a").sequenceCount
                == 1
        )
    }

    @Test("packs documents one after the other, without BOS between them")
    func documents() throws {
        let tokenizer = try Self.gemma.get()
        let folder = try TemporaryFolder()
        let first = try folder.write(Array("The first text.\n".utf8), to: "b.txt")
        let second = try folder.write(Array("<eos> A second one, längér.".utf8), to: "a.md")
        let text = try TokenSequences(paths: [first, second], tokenizer: tokenizer, sequenceLength: 5)
        let expected =
            tokenizer.encode("The first text.\n", addingSpecial: false, parsingSpecial: false)
            + tokenizer.encode("<eos> A second one, längér.", addingSpecial: false, parsingSpecial: false)
        #expect(text.beginning == tokenizer.beginning)
        #expect(text.sequenceCount == expected.count / 4)
        #expect(stream(text) == Array(expected[..<(text.sequenceCount * 4)]))
    }

    @Test("puts EOS after each document where the vocabulary adds it")
    func end() throws {
        let base = try GGUFCheckpoint(path: Fixtures.path("tokens/sentencepiece.gguf")).metadata
        var vocabulary = try Vocabulary(ggufMetadata: base, path: "sentencepiece.gguf")
        vocabulary.special.addsEnd = true
        let tokenizer = try Tokenizer(vocabulary, path: "sentencepiece.gguf")
        let end = try #require(tokenizer.end)
        let folder = try TemporaryFolder()
        let path = try folder.write(
            Array("{\"text\": \"one\"}\n\n{\"id\": 1, \"text\": \"\"}\r\n{\"text\":\"two\"}".utf8),
            to: "a.jsonl")
        let one = tokenizer.encode("one", addingSpecial: false, parsingSpecial: false) + [end]
        let two = tokenizer.encode("two", addingSpecial: false, parsingSpecial: false) + [end]
        let text = try TokenSequences(
            paths: [path], tokenizer: tokenizer, sequenceLength: one.count + two.count + 1)
        #expect(stream(text) == one + two)
    }

    @Test("takes folders in the order of their paths, and the field of JSON that is named")
    func folders() throws {
        let tokenizer = try Self.qwen.get()
        let folder = try TemporaryFolder()
        try folder.makeFolder("t/a")
        try folder.write(Array("{\"body\": \"3\"}".utf8), to: "t/b.jsonl")
        try folder.write(Array("2".utf8), to: "t/a/z.TXT")
        try folder.write(Array("1".utf8), to: "t/a.md")
        let text = try TokenSequences(
            paths: [folder.file("t")], textField: "body", tokenizer: tokenizer, sequenceLength: 3)
        #expect(text.beginning == nil)
        #expect(
            text.sequence(0)
                == ["1", "2", "3"].flatMap {
                    tokenizer.encode($0, addingSpecial: false, parsingSpecial: false)
                })
    }

    @Test("takes any ending of a file that is named, none of a file that is found")
    func endings() throws {
        let tokenizer = try Self.qwen.get()
        let folder = try TemporaryFolder()
        try folder.makeFolder("t")
        let path = try folder.write(Array("some text here".utf8), to: "t/a.rst")
        #expect(try TokenSequences(paths: [path], tokenizer: tokenizer, sequenceLength: 2).sequenceCount >= 1)
        let error = #expect(throws: TextError.self) {
            try TokenSequences(paths: [folder.file("t")], tokenizer: tokenizer, sequenceLength: 2)
        }
        #expect(error?.subject == path)
        try folder.makeFolder("empty")
        #expect(throws: TextError.self) {
            try TokenSequences(paths: [folder.file("empty")], tokenizer: tokenizer, sequenceLength: 2)
        }
        #expect(throws: TextError.self) {
            try TokenSequences(paths: [], tokenizer: tokenizer, sequenceLength: 2)
        }
        #expect(throws: CheckpointError.self) {
            try TokenSequences(paths: [folder.file("absent.txt")], tokenizer: tokenizer, sequenceLength: 2)
        }
    }

    @Test("refuses a link that leads in a circle")
    func circle() throws {
        let tokenizer = try Self.qwen.get()
        let folder = try TemporaryFolder()
        try folder.makeFolder("t")
        try folder.link("t/again", to: folder.file("t"))
        #expect(throws: TextError.self) {
            try TokenSequences(paths: [folder.file("t")], tokenizer: tokenizer, sequenceLength: 2)
        }
    }

    static let flaws: [(name: String, bytes: [UInt8], line: Int?, problem: String)] = [
        ("a.txt", [], nil, "is empty"),
        ("a.txt", Array("abc".utf8) + [0xC3, 0x28], nil, "is not valid UTF-8 at byte 3"),
        ("a.txt", Array("abc".utf8) + [0xE2, 0x82], nil, "is not valid UTF-8 at byte 3"),
        ("a.jsonl", Array("{\"text\": \"a\"}\n\n{\"text\": \"b\"\n".utf8), 3, "byte 27: JSON: expected ','"),
        (
            "a.jsonl", Array("{\"text\": \"a\"}\n{\"text\": \"".utf8) + [0xFF, 0x22, 0x7D], 2,
            "byte 23: JSON: a string"
        ),
        ("a.jsonl", Array("[1]".utf8), 1, "is no JSON object"),
        ("a.jsonl", Array("{\"a\": 1, \"b\": 2}".utf8), 1, "has no field 'text', it has 'a', 'b'"),
        ("a.jsonl", Array("{\"text\": 1}".utf8), 1, "field 'text' is no string but a number"),
        ("a.jsonl", Array("{\"text\": \"a\", \"text\": \"b\"}".utf8), 1, "byte 14: JSON: duplicate member"),
        ("a.jsonl", Array(" \n\r\n".utf8), nil, "has only blank lines"),
    ]

    @Test("names the place of a flaw", arguments: flaws.indices)
    func broken(index: Int) throws {
        let flaw = Self.flaws[index]
        let folder = try TemporaryFolder()
        let path = try folder.write(flaw.bytes, to: flaw.name)
        let tokenizer = try Self.qwen.get()
        let error = #expect(throws: TextError.self) {
            try TokenSequences(paths: [path], tokenizer: tokenizer, sequenceLength: 2)
        }
        #expect(error?.subject == path)
        #expect(error?.line == flaw.line)
        #expect(error?.problem.hasPrefix(flaw.problem) == true, "\(error?.description ?? "")")
    }

    @Test("holds out evenly spaced sequences, which are then no longer in it")
    func heldOut() throws {
        let text = try TokenSequences(stream: Array(0..<20), beginning: nil, sequenceLength: 2, name: "a")
        let (sequences, rest) = try text.heldOut(sequences: 3)
        // ⌊(2i + 1) 10 / 6⌋
        #expect(sequences == [[2, 3], [10, 11], [16, 17]])
        #expect(
            (0..<rest.sequenceCount).map { rest.sequence($0)[0] } == [0, 4, 6, 8, 12, 14, 18])
        #expect(try rest.heldOut(sequences: 6).rest.sequenceCount == 1)
        let error = #expect(throws: TextError.self) { try rest.heldOut(sequences: 7) }
        #expect(error?.problem.contains("has 7 sequences of 2 tokens (14 tokens)") == true)
    }

    @Test("of kinds has the sequences that each has alone, and gives of each its share")
    func kinds() throws {
        func cut(_ tokens: Range<Int32>) throws -> TokenSequences {
            try TokenSequences(stream: Array(tokens), beginning: nil, sequenceLength: 2, name: "a")
        }
        // Nothing of the 1 token that fills no sequence of the first.
        let (a, b) = (try cut(0..<9), try cut(100..<132))
        let text = TokenSequences(kinds: [("a", a), ("b", b)])
        #expect(text.kinds.map(\.name) == ["a", "b"] && text.kinds.map(\.sequences) == [0..<4, 4..<20])
        #expect((0..<20).map { text.sequence($0)[0] } == [0, 2, 4, 6] + (0..<16).map { 100 + 2 * $0 })
        let shares = try #require(TextShares([1, 1]))
        #expect(text.sample(4, shares: shares).map { $0[0] } == [0, 4, 100, 116])
        // The first has no more.
        #expect(
            text.sample(12, shares: shares).map { $0[0] } == [0, 2, 4, 6, 100, 104, 110, 116, 120, 126])
        let (sequences, rest) = try text.heldOut(sequences: 4, shares: shares)
        #expect(sequences.map { $0[0] } == [2, 6, 108, 124])
        #expect(rest.kinds.map(\.name) == ["a", "b"] && rest.kinds.map(\.sequences) == [0..<2, 2..<16])
        #expect((0..<2).map { rest.sequence($0)[0] } == [0, 4])
        let error = #expect(throws: TextError.self) { try text.heldOut(sequences: 8, shares: shares) }
        #expect(error?.subject == "text 'a'" && error?.problem.contains("holding out 4 needs 5") == true)
        // Other kinds are another text, which a run goes through in another order.
        let other = TokenSequences(kinds: [("a", a), ("c", b)])
        #expect(other.digest != text.digest)
        #expect(TokenSequences(kinds: [("a", a), ("b", b)]).digest == text.digest)
    }

    @Test("has a digest of its sequences and their length")
    func digest() throws {
        func text(_ stream: [Int32], _ length: Int, beginning: Int32? = nil) throws -> TokenSequences {
            try TokenSequences(stream: stream, beginning: beginning, sequenceLength: length, name: "a")
        }
        let digest = try text([1, 2, 3, 4], 2).digest
        var bytes: [UInt8] = [2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
        for token: UInt8 in 1...4 { bytes += [token, 0, 0, 0] }
        #expect(digest == SHA256.hex(bytes))
        // What fills no sequence does not count.
        #expect(try text([1, 2, 3, 4, 5], 2).digest == digest)
        #expect(try text([1, 2, 4, 3], 2).digest != digest)
        #expect(try text([1, 2, 3, 4], 4).digest != digest)
        #expect(try text([2, 4], 2, beginning: 1).digest != digest)
        #expect(try text([1, 2, 3, 4], 2).heldOut(sequences: 1).rest.digest != digest)
    }
}
