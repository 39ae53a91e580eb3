/// The tokens of words that were seen before.
///
/// Bounded: a slot holds the last word with its hash, and when the arenas are full everything is forgotten.
struct WordCache {
    /// Longer words are rarely seen twice.
    static let longestWord = 48

    private struct Slot {
        var hash: UInt64 = 0
        var word = 0
        var tokens = 0
        var wordLength: Int32 = -1
        var tokenCount: Int32 = 0
    }

    private var slots: [Slot]
    private var words: [UInt8] = []
    private var tokens: [Int32] = []

    private static let mostBytes = 1 << 22
    private static let mostTokens = 1 << 20

    /// - Parameter textLength: Bytes that will be encoded, by which the cache is sized.
    init(textLength: Int) {
        var size = 64
        while size < 1 << 16, size * 16 < textLength { size *= 2 }
        slots = Array(repeating: Slot(), count: size)
    }

    /// Mixes 8 bytes at a time; a collision costs only time.
    @inline(__always)
    static func hash(_ word: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let raw = UnsafeRawBufferPointer(word)
        var hash = UInt64(raw.count) &* 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while offset + 8 <= raw.count {
            hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < raw.count {
            rest = rest << 8 | UInt64(raw[offset])
            offset += 1
        }
        return mix(hash ^ rest)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let (high, low) = value.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return high ^ low
    }

    /// Appends the tokens of `word` to `output`; false where they are not known.
    @inline(__always)
    func append(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, to output: inout [Int32]) -> Bool {
        let slot = slots[Int(truncatingIfNeeded: hash) & (slots.count - 1)]
        guard slot.hash == hash, Int(slot.wordLength) == word.count else { return false }
        for index in 0..<word.count where words[slot.word + index] != word[index] { return false }
        for index in slot.tokens..<slot.tokens + Int(slot.tokenCount) { output.append(tokens[index]) }
        return true
    }

    /// Remembers the tokens of `word`.
    mutating func insert(_ word: UnsafeBufferPointer<UInt8>, hash: UInt64, tokens added: ArraySlice<Int32>) {
        if words.count + word.count > Self.mostBytes || tokens.count + added.count > Self.mostTokens {
            words.removeAll(keepingCapacity: true)
            tokens.removeAll(keepingCapacity: true)
            for slot in slots.indices { slots[slot].wordLength = -1 }
        }
        slots[Int(truncatingIfNeeded: hash) & (slots.count - 1)] = Slot(
            hash: hash, word: words.count, tokens: tokens.count, wordLength: Int32(word.count),
            tokenCount: Int32(added.count))
        words.append(contentsOf: word)
        tokens.append(contentsOf: added)
    }
}
