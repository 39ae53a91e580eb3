internal import NibbleCheckpoint

extension Tokenizer {
    /// The text of a token as the vocabulary has it: with U+2581 or the byte alphabet for spaces.
    ///
    /// - Parameter token: An id below ``vocabularySize``.
    public func text(of token: Int32) -> String { vocabulary.tokens[checked(token)] }

    /// The bytes that a token stands for; those of several tokens may be needed for one character.
    ///
    /// As llama.cpp's `llama_token_to_piece`; letters of a byte-level token that stand for no byte, which
    /// llama.cpp describes in brackets, stand for themselves.
    ///
    /// - Parameters:
    ///   - token: An id below ``vocabularySize``.
    ///   - showingSpecial: Whether control tokens have their text; else they have no bytes.
    public func bytes(of token: Int32, showingSpecial: Bool = false) -> ArraySlice<UInt8> {
        let index = checked(token)
        guard showingSpecial || roles.attributes[index].isDisjoint(with: .hidden) else { return [] }
        return pieces[pieceStarts[index]..<pieceStarts[index + 1]]
    }

    /// The bytes that tokens stand for.
    ///
    /// The space that encoding puts before a text is taken away again. Spaces before punctuation stay, which
    /// `llama_detokenize` and `transformers` tidy up for some models, so that for valid UTF-8 without special
    /// tokens decoding undoes encoding.
    ///
    /// - Parameters:
    ///   - tokens: Ids below ``vocabularySize``.
    ///   - showingSpecial: Whether control tokens have their text; else they have no bytes.
    public func decode(_ tokens: some Sequence<Int32>, showingSpecial: Bool = false) -> [UInt8] {
        var result: [UInt8] = []
        var removesSpace = false
        if case .sentencePiece(_, addsSpace: true) = model { removesSpace = true }
        for (place, token) in tokens.enumerated() {
            var bytes = bytes(of: token, showingSpecial: showingSpecial)
            let isBeginning = place == 0 && token == beginning
            if removesSpace, !isBeginning {
                let isText = roles.attributes[Int(token)].isDisjoint(with: .special)
                if isText, bytes.first == UInt8(ascii: " ") { bytes.removeFirst() }
                removesSpace = false
            }
            result += bytes
        }
        return result
    }

    private func checked(_ token: Int32) -> Int {
        precondition(
            token >= 0 && token < vocabularySize, "token \(token) is none of the \(vocabularySize) tokens")
        return Int(token)
    }

    /// The bytes of all tokens and where each starts.
    static func pieces(
        _ vocabulary: Vocabulary, _ attributes: [TokenAttributes]
    ) -> (bytes: [UInt8], starts: [Int]) {
        var bytes: [UInt8] = []
        var starts = [0]
        starts.reserveCapacity(vocabulary.tokens.count + 1)
        for (text, attributes) in zip(vocabulary.tokens, attributes) {
            if !attributes.isDisjoint(with: .special) {
                bytes.append(contentsOf: text.utf8)
            } else if attributes.contains(.normal) {
                switch vocabulary.model {
                case .sentencePiece: appendWithSpaces(text, to: &bytes)
                case .byteLevelBPE: bytes += ByteAlphabet.decoded(text)
                }
            } else if attributes.contains(.byte) {
                // <0x0A>
                bytes.append(
                    UInt8(String(decoding: text.utf8.dropFirst(3).prefix(2), as: UTF8.self), radix: 16) ?? 0)
            }
            starts.append(bytes.count)
        }
        return (bytes, starts)
    }

    private static func appendWithSpaces(_ text: String, to bytes: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            UTF8Reading.append(scalar.value == SentencePieceTables.space ? 0x20 : scalar.value, to: &bytes)
        }
    }
}
