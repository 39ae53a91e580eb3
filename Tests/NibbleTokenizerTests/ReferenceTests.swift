import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint
@testable import NibbleTokenizer

@Suite("Encoders equal a plain reference")
struct ReferenceTests {
    /// Joins, one at a time, the neighbours for which `rank` is smallest, then the leftmost.
    private func merged(_ symbols: [[UInt8]], _ rank: ([UInt8], [UInt8]) -> Float?) -> [[UInt8]] {
        var symbols = symbols
        while true {
            var best: (place: Int, rank: Float)?
            for place in symbols.indices.dropLast() {
                guard let rank = rank(symbols[place], symbols[place + 1]) else { continue }
                if best.map({ rank < $0.rank }) ?? true { best = (place, rank) }
            }
            guard let best else { return symbols }
            symbols[best.place] += symbols[best.place + 1]
            symbols.remove(at: best.place + 1)
        }
    }

    @Test("SentencePiece: segments, the cache and the table of pairs change nothing")
    func sentencePiece() throws {
        var generator = SeededGenerator(seed: 11)
        let letters = ["a", "b", "é", "▁", "你", "😀"]
        func random(_ lengths: ClosedRange<Int>, _ letters: [String]) -> String {
            (0..<Int.random(in: lengths, using: &generator)).map { _ in
                letters.randomElement(using: &generator) ?? ""
            }
            .joined()
        }
        for round in 0..<100 {
            let pieces = Array(Set((0..<30).map { _ in random(1...5, letters) })).sorted()
            var vocabulary = SmallVocabularies.sentencePiece(pieces, addsSpace: round % 2 == 0)
            // Few scores, so that many are equal.
            vocabulary.scores = vocabulary.tokens.map { _ in Float(Int.random(in: -4...0, using: &generator))
            }
            let tokenizer = try Tokenizer(vocabulary, path: "test")
            var scores: [[UInt8]: Float] = [:]
            for (token, text) in vocabulary.tokens.enumerated() {
                scores[Array(text.utf8)] = vocabulary.scores?[token]
            }
            for _ in 0..<20 {
                let text = random(1...60, ["a", "b", "é", " ", "你", "😀", "x", "\u{2581}"])
                let escaped = ((round % 2 == 0 ? " " : "") + text).unicodeScalars.map {
                    Array(($0 == " " ? "▁" : String(Character($0))).utf8)
                }
                let expected = merged(escaped) { scores[$0 + $1].map { -$0 } }
                let ours = tokenizer.encode(text, addingSpecial: false, parsingSpecial: false)
                let shown = expected.flatMap { symbol in
                    scores[symbol] != nil
                        ? [symbol]
                        : symbol.map { [UInt8]("<0x\(String($0, radix: 16, uppercase: true))>".utf8) }
                }
                #expect(ours.map { Array(tokenizer.text(of: $0).utf8) } == shown, "\(text)")
            }
        }
    }

    @Test("Byte-level BPE: the cache and the table of pairs change nothing")
    func byteLevel() throws {
        var generator = SeededGenerator(seed: 12)
        for _ in 0..<100 {
            // Merges of symbols that earlier merges made, and some of symbols that nothing makes.
            var symbols = ["a", "b", "c", "Ġ", "Ã", "©"]
            var merges: [String] = []
            for _ in 0..<15 {
                guard let left = symbols.randomElement(using: &generator),
                    let right = symbols.randomElement(using: &generator)
                else { continue }
                merges.append("\(left) \(right)")
                symbols.append(left + right)
            }
            let tokenizer = try Tokenizer(SmallVocabularies.byteLevel(merges), path: "test")
            var ranks: [String: Float] = [:]
            for (rank, merge) in merges.enumerated() where ranks[merge] == nil { ranks[merge] = Float(rank) }
            for _ in 0..<20 {
                let text = (0..<Int.random(in: 1...60, using: &generator)).map { _ in
                    ["a", "b", "c", " ", "é"].randomElement(using: &generator) ?? ""
                }.joined()
                var expected: [[UInt8]] = []
                let bytes = Array(text.utf8)
                bytes.withUnsafeBufferPointer { buffer in
                    ScalarView(buffer).forEachWord(.gpt2) { range in
                        let letters = buffer[range].map { ByteAlphabet.texts[Int($0)] }
                        expected += merged(letters) {
                            ranks[
                                String(decoding: $0, as: UTF8.self) + " "
                                    + String(decoding: $1, as: UTF8.self)]
                        }
                    }
                }
                let ours = tokenizer.encode(text, addingSpecial: false, parsingSpecial: false)
                #expect(ours.map { Array(tokenizer.text(of: $0).utf8) } == expected, "\(text)")
            }
        }
    }

    @Test("Classes of characters are those of llama.cpp's tables")
    func classes() {
        let classes = CharacterClasses.shared
        #expect(classes[0x41] == CharacterClasses.letter)
        #expect(classes[0x30] == CharacterClasses.number)
        #expect(classes[0x20] == CharacterClasses.whitespace)
        #expect(classes[0x21] == CharacterClasses.punctuation | CharacterClasses.other)
        #expect(classes[0x24] == CharacterClasses.symbol | CharacterClasses.other)
        #expect(classes[0x00] == CharacterClasses.other)
        #expect(classes[0x0660] == CharacterClasses.number)
        #expect(classes[0x4E00] == CharacterClasses.letter)
        // Not whitespace: U+200B, U+180E, U+FEFF.
        for scalar: UInt32 in [0x200B, 0x180E, 0xFEFF, 0xD800, 0x10_FFFF] {
            #expect(classes[scalar] == CharacterClasses.other)
        }
        for scalar: UInt32 in [0x85, 0xA0, 0x1680, 0x2028, 0x3000] {
            #expect(classes[scalar] == CharacterClasses.whitespace)
        }
        #expect((0..<0x11_0000).allSatisfy { classes[$0] != CharacterClasses.end })
    }
}
