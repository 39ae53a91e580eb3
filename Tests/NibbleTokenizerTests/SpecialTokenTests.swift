import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint
@testable import NibbleTokenizer

@Suite("Special tokens")
struct SpecialTokenTests {
    private func parts(_ text: String, _ specials: [String]) -> [String] {
        let partition = SpecialPartition(
            specials.enumerated().map { (Int32($0.offset), Array($0.element.utf8)) })
        var parts: [String] = []
        let bytes = Array(text.utf8)
        bytes.withUnsafeBufferPointer { buffer in
            partition.forEachPart(buffer) {
                parts.append(String(decoding: buffer[$0], as: UTF8.self))
            } token: {
                parts.append("[" + specials[Int($0)] + "]")
            }
        }
        return parts
    }

    @Test("The longest token wins over one that starts before it")
    func longestFirst() {
        #expect(parts("xabcd", ["ab", "bcd"]) == ["xa", "[bcd]"])
        #expect(parts("ababc", ["ab", "abc"]) == ["[ab]", "[abc]"])
        #expect(parts("aaaaa", ["aa", "aaa"]) == ["[aaa]", "[aa]"])
        #expect(parts("", ["a"]) == [])
        #expect(parts("a", ["a"]) == ["[a]"])
        #expect(parts("<<s>>", ["<s>"]) == ["<", "[<s>]", ">"])
        #expect(parts("none", ["<s>"]) == ["none"])
        #expect(parts("none", []) == ["none"])
    }

    /// What llama.cpp does: one token after the other, longest first, in all that is left.
    private func reference(_ text: [UInt8], _ specials: [[UInt8]]) -> [Int] {
        var taken = [Int](repeating: -1, count: text.count)
        let order = specials.indices.sorted { (specials[$1].count, $0) < (specials[$0].count, $1) }
        for index in order {
            let special = specials[index]
            var place = 0
            while place + special.count <= text.count {
                let range = place..<place + special.count
                if taken[range].allSatisfy({ $0 < 0 }), text[range].elementsEqual(special) {
                    for position in range { taken[position] = place * specials.count + index }
                    place = range.upperBound
                } else {
                    place += 1
                }
            }
        }
        return taken
    }

    @Test("Overlapping tokens are cut out as by one search after the other")
    func fuzz() {
        var generator = SeededGenerator(seed: 7)
        func random(_ length: Int) -> [UInt8] {
            (0..<length).map { _ in UInt8(ascii: "a") + UInt8.random(in: 0..<3, using: &generator) }
        }
        for _ in 0..<500 {
            let specials = Array(Set((0..<6).map { _ in random(Int.random(in: 1...6, using: &generator)) }))
                .sorted { $0.lexicographicallyPrecedes($1) }
            let text = random(Int.random(in: 0...40, using: &generator))
            let partition = SpecialPartition(specials.enumerated().map { (Int32($0.offset), $0.element) })
            var taken: [Int] = []
            text.withUnsafeBufferPointer { buffer in
                partition.forEachPart(buffer) { range in
                    taken += range.map { _ in -1 }
                } token: { token in
                    let place = taken.count
                    taken += specials[Int(token)].map { _ in place * specials.count + Int(token) }
                }
            }
            #expect(taken == reference(text, specials))
        }
    }

    @Test("Control tokens are parsed only when asked for, user-defined ones always")
    func parsing() throws {
        let vocabulary = SmallVocabularies.sentencePiece(
            ["<b>", "<x>", "a", "<", ">", "x", "s"], kinds: ["<b>": .userDefined, "<x>": .control],
            addsSpace: false)
        let tokenizer = try Tokenizer(vocabulary, path: "test")
        #expect(tokenizer.texts("<b>a<x>") == ["<b>", "a", "<", "x", ">"])
        #expect(tokenizer.texts("<b>a<x>", parsingSpecial: true) == ["<b>", "a", "<x>"])
        let tokens = tokenizer.encode("<b><x>", addingSpecial: true, parsingSpecial: true)
        #expect(tokenizer.decode(tokens) == Array("<b>".utf8))
        #expect(tokenizer.decode(tokens, showingSpecial: true) == Array("<s><b><x>".utf8))
    }

    @Test("Tokens are ends of generation by their text, and become control tokens")
    func endsByText() throws {
        let vocabulary = SmallVocabularies.sentencePiece(
            ["<end_of_turn>", "<eos>", "a"], kinds: ["<end_of_turn>": .userDefined], addsSpace: false)
        let tokenizer = try Tokenizer(vocabulary, path: "test")
        let first = Int32(SmallVocabularies.firstPiece)
        #expect(tokenizer.endOfTurn == first)
        #expect(tokenizer.endsOfGeneration == [2, first, first + 1])
        // No longer cut out of a text by itself.
        #expect(tokenizer.texts("<end_of_turn>").count > 1)
        #expect(tokenizer.texts("<end_of_turn>", parsingSpecial: true) == ["<end_of_turn>"])
    }

    @Test("What goes around a text follows the file, else the defaults of llama.cpp")
    func around() throws {
        var vocabulary = SmallVocabularies.sentencePiece(["a"], addsSpace: false)
        #expect(
            try Tokenizer(vocabulary, path: "test").encode("a", addingSpecial: true, parsingSpecial: false)
                == [1, 259])
        #expect(
            try Tokenizer(vocabulary, path: "test").encode("", addingSpecial: true, parsingSpecial: false)
                == [1])
        vocabulary.special.addsBeginning = false
        vocabulary.special.addsEnd = true
        #expect(
            try Tokenizer(vocabulary, path: "test").encode("a", addingSpecial: true, parsingSpecial: false)
                == [259, 2])
        #expect(
            try Tokenizer(vocabulary, path: "test").encode("a", addingSpecial: false, parsingSpecial: false)
                == [259])

        let byteLevel = try Tokenizer(SmallVocabularies.byteLevel([]), path: "test")
        #expect(byteLevel.beginning == 11 && byteLevel.end == 11 && !byteLevel.addsBeginning)
        let llama3 = try Tokenizer(SmallVocabularies.byteLevel([], preTokenizer: "llama3"), path: "test")
        #expect(llama3.addsBeginning && !llama3.addsEnd)
    }

    @Test("A vocabulary that lacks the token it wants before a text is an error")
    func missingBeginning() {
        let vocabulary = Vocabulary(
            model: .byteLevelBPE(preTokenizer: "llama-bpe"), tokens: ["a"], scores: nil, kinds: [.normal],
            merges: [],
            special: .init(), addsSpacePrefix: nil, chatTemplates: [])
        #expect(throws: CheckpointError.self) { try Tokenizer(vocabulary, path: "test") }
    }
}
