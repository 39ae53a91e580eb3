/// Cuts special tokens out of a text before the rest is tokenized (llama-vocab.cpp,
/// `tokenizer_st_partition`).
///
/// llama.cpp searches the whole text for one token after the other, longest first, each time in what is left.
/// The same comes out where only the places are looked at at which occurrences overlap: then the longest token
/// that occurs there wins, not the leftmost.
///
/// Of tokens with the same length, the one with the smaller id goes first; llama.cpp leaves that order to the
/// sort function of its library. It matters only where the end of one is the start of the other.
struct SpecialPartition: Sendable {
    private let trie: TokenTrie
    /// The tokens, longest first.
    private let tokens: [Int32]
    private let texts: [[UInt8]]

    /// - Parameter tokens: The special tokens with their texts.
    init(_ tokens: [(token: Int32, text: [UInt8])]) {
        let sorted = tokens.sorted {
            ($1.text.count, $0.token) < ($0.text.count, $1.token)
        }
        self.tokens = sorted.map(\.token)
        texts = sorted.map(\.text)
        trie = TokenTrie(texts)
    }

    /// Calls `text` for each part of `bytes` between special tokens that is not empty, and `token` for each
    /// special token, in their order.
    func forEachPart(
        _ bytes: UnsafeBufferPointer<UInt8>, text: (Range<Int>) -> Void, token: (Int32) -> Void
    ) {
        var start = 0
        var position = trie.isEmpty ? bytes.count : 0
        var overlap = Overlap(tokenCount: tokens.count)
        while position < bytes.count {
            position = trie.candidate(bytes, from: position)
            guard position < bytes.count else { break }
            overlap.restart(at: position)
            extend(&overlap, bytes, at: position)
            guard overlap.end > position else {
                position += 1
                continue
            }
            position += 1
            while position < overlap.end {
                position = min(trie.candidate(bytes, from: position), overlap.end)
                guard position < overlap.end else { break }
                extend(&overlap, bytes, at: position)
                position += 1
            }
            for found in resolve(overlap, bytes) {
                if start < found.start { text(start..<found.start) }
                token(tokens[found.index])
                start = found.start + texts[found.index].count
            }
            position = overlap.end
        }
        if start < bytes.count { text(start..<bytes.count) }
    }

    /// A stretch of text in which occurrences overlap.
    private struct Overlap {
        private(set) var start = 0
        private(set) var end = 0
        /// What occurs, by place in `tokens`, each once.
        private(set) var present: [Int] = []
        /// Where the first one occurs, and how many do.
        private(set) var first = 0
        private(set) var count = 0
        private var isPresent: [Bool]

        init(tokenCount: Int) { isPresent = Array(repeating: false, count: tokenCount) }

        mutating func restart(at position: Int) {
            for index in present { isPresent[index] = false }
            present.removeAll(keepingCapacity: true)
            (start, end, count) = (position, position, 0)
        }

        @inline(__always)
        mutating func add(_ index: Int, at position: Int, length: Int) {
            end = max(end, position + length)
            if count == 0 { first = position }
            count += 1
            guard !isPresent[index] else { return }
            isPresent[index] = true
            present.append(index)
        }
    }

    private struct Found {
        var index: Int
        var start: Int
    }

    private func extend(_ overlap: inout Overlap, _ bytes: UnsafeBufferPointer<UInt8>, at position: Int) {
        trie.forEachMatch(bytes, at: position) { index, length in
            overlap.add(index, at: position, length: length)
        }
    }

    /// Which occurrences are taken, from left to right.
    private func resolve(_ overlap: Overlap, _ bytes: UnsafeBufferPointer<UInt8>) -> [Found] {
        if overlap.count == 1 { return [Found(index: overlap.present[0], start: overlap.first)] }
        var found: [Found] = []
        var gaps = [overlap.start..<overlap.end]
        for index in overlap.present.sorted() {
            let length = texts[index].count
            var left: [Range<Int>] = []
            for gap in gaps {
                var start = gap.lowerBound
                var position = start
                while position + length <= gap.upperBound {
                    guard occurs(texts[index], bytes, at: position) else {
                        position += 1
                        continue
                    }
                    if start < position { left.append(start..<position) }
                    found.append(Found(index: index, start: position))
                    position += length
                    start = position
                }
                if start < gap.upperBound { left.append(start..<gap.upperBound) }
            }
            gaps = left
            if gaps.isEmpty { break }
        }
        return found.sorted { $0.start < $1.start }
    }

    private func occurs(_ text: [UInt8], _ bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> Bool {
        for index in 0..<text.count where bytes[position + index] != text[index] { return false }
        return true
    }
}
