/// The merges of byte-pair encoding that stand for a SentencePiece vocabulary.
///
/// SentencePiece joins the neighbours whose union has the highest score; the `tokenizers` library knows
/// ranked pairs instead. As in `transformers` (convert_slow_tokenizer.py, `generate_merges`), there is a
/// pair for every cut of a token in two tokens, ranked by falling score of the union, then by falling length
/// of the left and the right half in scalars.
struct SentencePieceMerges {
    /// A pair: a token and the bytes of its left half.
    struct Pair {
        let token: Int32
        let cut: Int32
        fileprivate let score: Float
        fileprivate let leftLength: Int32
        fileprivate let rightLength: Int32
    }

    /// Pairs by rank.
    let pairs: [Pair]

    /// Bytes of all pairs that are allowed for each byte of the vocabulary; those of Gemma 3 need 2.
    private static let maximumGrowth = 64

    /// Lists the pairs, in time that grows with the bytes of the vocabulary.
    ///
    /// - Throws: ``CheckpointError`` where the vocabulary is built such that the pairs outgrow it by far.
    init(_ hub: HubVocabulary) throws(CheckpointError) {
        var pairs: [Pair] = []
        pairs.reserveCapacity(2 * hub.count)
        var budget = Self.maximumGrowth * (hub.index.byteCount + 1024)
        for token in 0..<hub.count {
            let text = hub.index.bytes(of: token)
            let score = hub.score(token)
            // Continuation bytes begin with 10; all others begin a scalar.
            var scalars: [Int32]?
            hub.index.forEachSplit(of: token) { cut, left, right in
                guard left < hub.count, right < hub.count, budget > 0 else { return }
                budget -= text.count
                let lengths = scalars ?? Self.scalarCounts(text)
                scalars = lengths
                pairs.append(
                    Pair(
                        token: Int32(token), cut: Int32(cut), score: score, leftLength: lengths[cut],
                        rightLength: lengths[text.count] - lengths[cut]))
            }
            guard budget > 0 else {
                throw CheckpointError(
                    .unsupported, path: hub.path, subject: "key '\(TokenizerKey.tokens)'",
                    "holds tokens that nest in one another so deeply that tokenizer.json would outgrow them "
                        + "\(Self.maximumGrowth) times")
            }
        }
        self.pairs = pairs.sorted { a, b in
            if a.score != b.score { return a.score > b.score }
            if a.leftLength != b.leftLength { return a.leftLength > b.leftLength }
            if a.rightLength != b.rightLength { return a.rightLength > b.rightLength }
            return a.token < b.token
        }
    }

    /// Scalars before each byte, and in all.
    private static func scalarCounts(_ text: ArraySlice<UInt8>) -> [Int32] {
        var counts: [Int32] = [0]
        counts.reserveCapacity(text.count + 1)
        var count: Int32 = 0
        for byte in text {
            if byte & 0xC0 != 0x80 { count += 1 }
            counts.append(count)
        }
        return counts
    }
}
