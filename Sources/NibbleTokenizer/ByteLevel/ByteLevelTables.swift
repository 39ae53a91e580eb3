internal import NibbleCheckpoint

/// What encoding with a byte-level BPE vocabulary looks up.
struct ByteLevelTables: Sendable {
    let preTokenizer: PreTokenizer
    /// Whether a word that is a token is taken whole.
    let ignoresMerges: Bool
    /// The symbol of each byte.
    let bytes: [Int32]
    let pairs: PairTable
    /// Bytes of each symbol as it is written in the byte alphabet.
    let lengths: [Int32]
    /// The tokens that a symbol which is no token becomes.
    let fallbacks: [[Int32]]
    let tokenCount: Int
    let index: TokenIndex

    init(_ vocabulary: Vocabulary, index: TokenIndex, preTokenizer name: String, path: String)
        throws(CheckpointError)
    {
        guard let preTokenizer = PreTokenizer(name: name) else {
            throw CheckpointError(
                .unsupported, path: path, subject: "pre-tokenizer",
                "is '\(name)'; known: " + PreTokenizer.knownNames.joined(separator: ", "))
        }
        self.preTokenizer = preTokenizer
        ignoresMerges = PreTokenizer.isLlama3Family(name)
        tokenCount = vocabulary.tokens.count
        self.index = index

        // Symbols are tokens, then what merges mention that is no token.
        var texts: [[UInt8]] = []
        var extras: [[UInt8]: Int32] = [:]
        func symbol(_ text: [UInt8]) -> Int32 {
            if let token = index.token(text[...]) { return Int32(token) }
            if let extra = extras[text] { return extra }
            let extra = Int32(vocabulary.tokens.count + texts.count)
            texts.append(text)
            extras[text] = extra
            return extra
        }
        bytes = ByteAlphabet.texts.map(symbol)
        let merges = vocabulary.merges ?? []
        var pairs = PairTable(minimumCapacity: merges.count)
        for (rank, merge) in merges.enumerated() {
            guard let rule = MergeRule(merge) else { continue }
            let (left, right) = (Array(rule.left.utf8), Array(rule.right.utf8))
            pairs.insert(symbol(left), symbol(right), rank: UInt32(rank), result: symbol(left + right))
        }
        self.pairs = pairs
        lengths = vocabulary.tokens.map { Int32($0.utf8.count) } + texts.map { Int32($0.count) }
        // As llama.cpp does: bytes of the text in the byte alphabet, of which only ASCII can be tokens.
        fallbacks = texts.map { text in text.compactMap { index.token([$0][...]).map { Int32($0) } } }
    }

    /// The token that is the whole word.
    func token(_ word: UnsafeBufferPointer<UInt8>) -> Int32? {
        var text: [UInt8] = []
        text.reserveCapacity(2 * word.count)
        for byte in word { text += ByteAlphabet.texts[Int(byte)] }
        return index.token(text[...]).map { Int32($0) }
    }
}
