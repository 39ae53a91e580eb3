internal import NibbleCheckpoint

/// What encoding with a SentencePiece vocabulary looks up.
///
/// llama.cpp joins two neighbours where their texts together are a token, whatever it is. All symbols are tokens
/// or single scalars, hence those pairs can be listed before.
struct SentencePieceTables: Sendable {
    /// Ids of symbols: tokens, then scalars that are part of tokens but none themselves.
    let scalars: ScalarMap
    let adjacency: Adjacency
    let pairs: PairTable
    /// Bytes of each symbol.
    let lengths: [Int32]
    /// The tokens that a symbol which is no token becomes.
    let fallbacks: [[Int32]]
    /// The token of each byte that no token expresses.
    let bytes: [Int32]
    let tokenCount: Int

    /// What SentencePiece writes for a space.
    static let space: UInt32 = 0x2581

    init(
        _ vocabulary: Vocabulary, index: TokenIndex, unknown: Int32?, path: String
    ) throws(CheckpointError) {
        tokenCount = vocabulary.tokens.count
        bytes = try Self.byteTokens(index, unknown, path: path)
        var scalars = ScalarMap()
        var texts = vocabulary.tokens
        var pairCount = 0
        for (token, text) in vocabulary.tokens.enumerated() {
            let single = text.unicodeScalars
            if let scalar = single.first, single.dropFirst().isEmpty { scalars[scalar.value] = Int32(token) }
            pairCount += text.utf8.count
        }
        var adjacency = Adjacency(pairCount: pairCount)
        for text in vocabulary.tokens {
            var previous: UInt32?
            for scalar in text.unicodeScalars {
                if let previous { adjacency.insert(previous, scalar.value) }
                previous = scalar.value
                guard scalars[scalar.value] == ScalarMap.none else { continue }
                scalars[scalar.value] = Int32(texts.count)
                texts.append(String(Character(scalar)))
            }
        }
        self.scalars = scalars
        self.adjacency = adjacency
        lengths = texts.map { Int32($0.utf8.count) }
        let byteTokens = bytes
        fallbacks = texts[tokenCount...].map { $0.utf8.map { byteTokens[Int($0)] } }
        pairs = try Self.pairs(
            vocabulary, texts.count == tokenCount ? index : TokenIndex(texts), path: path)
    }

    /// Bytes of all pairs that are allowed for each byte of the vocabulary; those of Gemma 3 need 2.
    private static let maximumGrowth = 64

    private static func pairs(
        _ vocabulary: Vocabulary, _ index: TokenIndex, path: String
    ) throws(CheckpointError) -> PairTable {
        let count = vocabulary.tokens.count
        let scores = vocabulary.scores ?? Array(repeating: 0, count: count)
        // Of equal scores, the leftmost pair goes first, so they need the same rank; -0 equals 0.
        let order = (0..<count).sorted { scores[$0] > scores[$1] }
        var ranks = [UInt32](repeating: 0, count: count)
        var rank: UInt32 = 0
        for (place, token) in order.enumerated() {
            if place > 0, scores[token] != scores[order[place - 1]] { rank += 1 }
            ranks[token] = rank
        }
        var pairs = PairTable(minimumCapacity: 3 * count)
        var budget = maximumGrowth * (index.byteCount + 1024)
        for token in 0..<count where budget > 0 {
            let length = index.bytes(of: token).count
            index.forEachSplit(of: token) { _, left, right in
                budget -= length
                guard budget > 0 else { return }
                pairs.insert(Int32(left), Int32(right), rank: ranks[token], result: Int32(token))
            }
        }
        guard budget > 0 else {
            throw CheckpointError(
                .unsupported, path: path, subject: "tokenizer",
                "has tokens that nest in one another so deeply that their pairs outgrow them "
                    + "\(maximumGrowth) times")
        }
        return pairs
    }

    /// `<0x0A>`, or else the byte as a character; where there is neither, the token for the unknown, as the
    /// SentencePiece library does. llama.cpp gives up there.
    private static func byteTokens(
        _ index: TokenIndex, _ unknown: Int32?, path: String
    ) throws(CheckpointError) -> [Int32] {
        var tokens: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            let digits = Array("0123456789ABCDEF".utf8)
            let text = Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]] + Array(">".utf8)
            let found = (index.token(text[...]) ?? index.token([byte][...])).map { Int32($0) } ?? unknown
            guard let found else {
                throw CheckpointError(
                    .inconsistent, path: path, subject: "tokenizer",
                    "has no token for byte \(byte) and none for the unknown")
            }
            tokens.append(found)
        }
        return tokens
    }
}
