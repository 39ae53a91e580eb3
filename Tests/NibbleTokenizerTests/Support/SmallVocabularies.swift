@testable import NibbleCheckpoint
@testable import NibbleTokenizer

/// Vocabularies small enough to merge by hand.
enum SmallVocabularies {
    /// `<unk>`, `<s>`, `</s>`, all bytes, then `pieces` with falling scores 0, -1, ...
    static func sentencePiece(
        _ pieces: [String], kinds: [String: Vocabulary.TokenKind] = [:], addsSpace: Bool? = nil
    ) -> Vocabulary {
        var tokens = ["<unk>", "<s>", "</s>"]
        var allKinds: [Vocabulary.TokenKind] = [.unknown, .control, .control]
        for byte in 0..<256 {
            let digits = String(byte, radix: 16, uppercase: true)
            tokens.append("<0x\(byte < 16 ? "0" : "")\(digits)>")
            allKinds.append(.byte)
        }
        tokens += pieces
        allKinds += pieces.map { kinds[$0] ?? .normal }
        let scores = (0..<tokens.count).map { -Float(max(0, $0 - firstPiece)) }
        return Vocabulary(
            model: .sentencePiece, tokens: tokens, scores: scores, kinds: allKinds, merges: nil,
            special: .init(), addsSpacePrefix: addsSpace, chatTemplates: [])
    }

    /// The id of the first of the pieces.
    static let firstPiece = 259

    /// The byte alphabet, then the results of `merges`, then `others`.
    static func byteLevel(
        _ merges: [String], others: [String: Vocabulary.TokenKind] = [:], preTokenizer: String = "gpt-2"
    ) -> Vocabulary {
        var tokens = ByteAlphabet.texts.map { String(decoding: $0, as: UTF8.self) }
        for merge in merges {
            let text = merge.split(separator: " ").joined()
            if !tokens.contains(text) { tokens.append(text) }
        }
        var kinds = [Vocabulary.TokenKind](repeating: .normal, count: tokens.count)
        for (text, kind) in others.sorted(by: { $0.key < $1.key }) {
            tokens.append(text)
            kinds.append(kind)
        }
        return Vocabulary(
            model: .byteLevelBPE(preTokenizer: preTokenizer), tokens: tokens, scores: nil, kinds: kinds,
            merges: merges, special: .init(), addsSpacePrefix: nil, chatTemplates: [])
    }
}

extension Tokenizer {
    /// The texts of the tokens of a text.
    func texts(_ text: String, parsingSpecial: Bool = false) -> [String] {
        encode(text, addingSpecial: false, parsingSpecial: parsingSpecial).map { self.text(of: $0) }
    }
}
