/// Encodes texts with a byte-level BPE vocabulary (llama-vocab.cpp, `llm_tokenizer_bpe_session`).
///
/// As in llama.cpp, each byte that is no valid UTF-8 is read as U+FFFD, so that it does not come back when
/// tokens are decoded; and no Unicode normalization takes place, where some tokenizers on the hub (Qwen 2) ask
/// for NFC.
struct ByteLevelEncoder {
    private let tables: ByteLevelTables
    private var merger: Merger
    private var cache: WordCache
    private var symbols: [Int32] = []

    init(_ tables: ByteLevelTables, textLength: Int) {
        self.tables = tables
        merger = Merger(pairs: tables.pairs, lengths: tables.lengths)
        cache = WordCache(textLength: textLength)
    }

    /// Appends the tokens of a text without special tokens.
    mutating func encode(_ bytes: UnsafeBufferPointer<UInt8>, to output: inout [Int32]) {
        guard UTF8Reading.isReadAsIs(bytes) else {
            UTF8Reading.rewritten(bytes).withUnsafeBufferPointer { split($0, &output) }
            return
        }
        split(bytes, &output)
    }

    private mutating func split(_ bytes: UnsafeBufferPointer<UInt8>, _ output: inout [Int32]) {
        ScalarView(bytes).forEachWord(tables.preTokenizer) { range in
            encode(word: UnsafeBufferPointer(rebasing: bytes[range]), &output)
        }
    }

    @inline(__always)
    private mutating func encode(word: UnsafeBufferPointer<UInt8>, _ output: inout [Int32]) {
        guard word.count <= WordCache.longestWord else {
            encode(newWord: word, &output)
            return
        }
        let hash = WordCache.hash(word)
        if cache.append(word, hash: hash, to: &output) { return }
        let start = output.count
        encode(newWord: word, &output)
        cache.insert(word, hash: hash, tokens: output[start...])
    }

    private mutating func encode(newWord word: UnsafeBufferPointer<UInt8>, _ output: inout [Int32]) {
        if tables.ignoresMerges, let token = tables.token(word) {
            output.append(token)
            return
        }
        symbols.removeAll(keepingCapacity: symbols.capacity < 1 << 16)
        for byte in word { symbols.append(tables.bytes[Int(byte)]) }
        merger.merge(&symbols)
        for symbol in symbols {
            if symbol < tables.tokenCount {
                output.append(symbol)
            } else {
                output.append(contentsOf: tables.fallbacks[Int(symbol) - tables.tokenCount])
            }
        }
    }
}
