internal import Foundation

/// Texts that are made from a seed: the same as `Tests/Fixtures/seeded_texts.py` makes.
package enum SeededTexts {
    /// Kinds with snippets in `Tests/Fixtures/texts`.
    private static let written = ["english", "code", "chinese", "arabic", "hindi"]
    /// All kinds.
    package static let kinds = written + ["emoji", "scalars", "bytes", "mixed"]

    private static let punctuation = Array("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".utf8)
    private static let spaces = [
        " ", "\n", "\t", "\r\n", "\u{A0}", "\u{3000}", "\u{2028}", "\u{85}", "\u{B}",
    ]
    private static let specials = [
        "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>",
        "<|endoftext|>", "<|eot_id|>", "<|begin_of_text|>", "<b>", "</div>", "<unk>", "<pad>", "<br>",
        "[multimodal]", "<0x41>", "\u{2581}",
    ]

    /// At least `size` bytes of a kind.
    package static func text(_ kind: String, seed: UInt64, size: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var snippets: [String: [[UInt8]]] = [:]
        for name in written {
            var lines = Array(try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("texts/\(name).txt"))))
            while lines.last == UInt8(ascii: "\n") { lines.removeLast() }
            snippets[name] = lines.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .map { Array($0) }
        }
        var result: [UInt8] = []
        while result.count < size {
            var part = kind
            if kind == "mixed" { part = kinds[below(kinds.count - 1, &generator)] }
            switch part {
            case "bytes":
                let bits = generator.next()
                for index in 0..<(1 + below(8, &generator)) {
                    let byte = UInt8(truncatingIfNeeded: bits >> UInt64(8 * index))
                    result.append((0xF4...0xF7).contains(byte) ? byte ^ 0x30 : byte)
                }
            case "scalars": append(scalar(&generator), to: &result)
            case "emoji": append(emoji(&generator), to: &result)
            default: result += writing(snippets[part] ?? [], &generator)
            }
        }
        return result
    }

    private static func below(_ limit: Int, _ generator: inout SeededGenerator) -> Int {
        Int(generator.next() % UInt64(limit))
    }

    private static func append(_ value: Int, to bytes: inout [UInt8]) {
        guard let scalar = UnicodeScalar(UInt32(value)) else { return }
        bytes += Array(String(Character(scalar)).utf8)
    }

    private static func scalar(_ generator: inout SeededGenerator) -> Int {
        let limit = [0x80, 0x800, 0x3000, 0x1_0000, 0x11_0000][below(5, &generator)]
        let value = below(limit, &generator)
        return (0xD800..<0xE000).contains(value) ? 0xFFFD : value
    }

    private static func emoji(_ generator: inout SeededGenerator) -> Int {
        switch below(8, &generator) {
        case 0: 0x200D
        case 1: 0xFE0F
        case 2: 0x1F3FB + below(5, &generator)
        case 3: 0x1F1E6 + below(26, &generator)
        case 4: 0x2600 + below(0x1C0, &generator)
        default: 0x1F300 + below(0x350, &generator)
        }
    }

    private static func writing(_ snippets: [[UInt8]], _ generator: inout SeededGenerator) -> [UInt8] {
        let snippet = snippets[below(snippets.count, &generator)]
        switch below(16, &generator) {
        case 0: return snippet.map { (0x61...0x7A).contains($0) ? $0 - 0x20 : $0 }
        case 1: return Array(repeating: 0x20, count: below(40, &generator))
        case 2: return Array(repeating: 0x0A, count: 1 + below(4, &generator))
        case 3:
            var limit = 1
            for _ in 0..<below(10, &generator) { limit *= 10 }
            return Array(String(below(limit, &generator)).utf8)
        case 4:
            return (0..<(1 + below(4, &generator))).map { _ in
                punctuation[below(punctuation.count, &generator)]
            }
        case 5:
            let space = Array(spaces[below(spaces.count, &generator)].utf8)
            return Array(repeatElement(space, count: 1 + below(3, &generator)).joined())
        case 6: return Array(specials[below(specials.count, &generator)].utf8)
        case 7...9:
            let words = snippet.split(separator: 0x20, omittingEmptySubsequences: false)
            let start = below(words.count, &generator)
            let end = min(words.count, start + 1 + below(6, &generator))
            return Array(words[start..<end].joined(separator: [0x20]))
        case 10:
            var result: [UInt8] = [0x20]
            append(scalar(&generator), to: &result)
            return result
        default: return snippet + [0x0A]
        }
    }
}
