import NibbleCheckpoint
import NibbleTestSupport
import NibbleTokenizer
import Testing

@Suite("Decoding undoes encoding")
struct RoundTripTests {
    @Test("of valid UTF-8 for every fixture", arguments: Fixtures.hubNames)
    func valid(name: String) throws {
        let tokenizer = try Tokenizer(path: Fixtures.path("hub/\(name).expected.gguf"))
        for kind in SeededTexts.kinds where kind != "bytes" && kind != "mixed" {
            let text = try SeededTexts.text(kind, seed: 3, size: 5000)
            let tokens = tokenizer.encode(text, addingSpecial: true, parsingSpecial: false)
            let decoded = tokenizer.decode(tokens)
            // U+2581 is a space to SentencePiece.
            let expected = String(decoding: text, as: UTF8.self)
            let isSentencePiece = tokenizer.vocabulary.model == .sentencePiece
            let spaced = String(
                String.UnicodeScalarView(expected.unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 }))
            // Without special tokens inside: spaces are put after each.
            guard tokens.dropFirst().allSatisfy({ !tokenizer.isUserDefined($0) }) else { continue }
            #expect(decoded == Array((isSentencePiece ? spaced : expected).utf8), "\(kind)")
        }
    }

    /// With spaces for U+2581.
    private static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
        Array(
            bytes.split(separator: [0xE2, 0x96, 0x81], omittingEmptySubsequences: false).joined(separator: [
                0x20
            ]))
    }

    @Test("of any bytes where bytes have tokens", arguments: ["gemma3-text", "llama2-spm"])
    func bytes(name: String) throws {
        let tokenizer = try Tokenizer(path: Fixtures.path("hub/\(name).expected.gguf"))
        var generator = SeededGenerator(seed: 5)
        for length in 0..<200 {
            let text = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let tokens = tokenizer.encode(text, addingSpecial: false, parsingSpecial: false)
            // A space that an invalid character swallows comes back as the bytes of U+2581.
            #expect(Self.unescaped(tokenizer.decode(tokens)) == Self.unescaped(text))
            #expect(tokens.flatMap { Array(tokenizer.bytes(of: $0)) }.count >= text.count)
        }
    }
}

extension Tokenizer {
    fileprivate func isUserDefined(_ token: Int32) -> Bool { vocabulary.kinds[Int(token)] == .userDefined }
}
