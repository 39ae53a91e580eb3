/// Merges the symbols of a word until no pair is left, as both tokenizers of llama.cpp do: of all pairs the one
/// with the smallest rank, then the leftmost.
///
/// - Complexity: `O(n log n)` for n symbols; 28 bytes each while it runs.
struct Merger {
    private let pairs: PairTable
    /// Bytes of every symbol, to tell entries of the queue that are out of date.
    private let lengths: [Int32]

    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var queue = MergeQueue()

    private static let merged: Int32 = -2

    /// - Parameters:
    ///   - pairs: Which symbols merge.
    ///   - lengths: Bytes of every symbol.
    init(pairs: PairTable, lengths: [Int32]) {
        self.pairs = pairs
        self.lengths = lengths
    }

    /// Replaces `symbols` by what is left after all merges.
    mutating func merge(_ symbols: inout [Int32]) {
        let count = symbols.count
        guard count > 1 else { return }
        precondition(count < Int32.max, "a word of \(count) symbols is too long")
        queue.removeAll()
        if next.count > 1 << 16, count < 1 << 16 {
            next = []
            previous = []
        }
        while next.count < count {
            next.append(0)
            previous.append(0)
        }
        for position in 0..<count {
            next[position] = position + 1 < count ? Int32(position + 1) : -1
            previous[position] = Int32(position - 1)
            if position > 0 { push(symbols, position - 1, position) }
        }
        while let entry = queue.pop() {
            let (left, right) = (entry.left, Int(entry.right))
            guard symbols[left] != Self.merged, symbols[right] != Self.merged,
                lengths[Int(symbols[left])] + lengths[Int(symbols[right])] == lengths[Int(entry.result)]
            else { continue }
            symbols[left] = entry.result
            symbols[right] = Self.merged
            let after = Int(next[right])
            next[left] = Int32(after)
            if after >= 0 {
                previous[after] = Int32(left)
                push(symbols, left, after)
            }
            let before = Int(previous[left])
            if before >= 0 { push(symbols, before, left) }
        }
        var kept = 0
        for position in 0..<count where symbols[position] != Self.merged {
            symbols[kept] = symbols[position]
            kept += 1
        }
        symbols.removeLast(count - kept)
    }

    @inline(__always)
    private mutating func push(_ symbols: [Int32], _ left: Int, _ right: Int) {
        guard let merge = pairs.merge(symbols[left], symbols[right]) else { return }
        queue.push(.init(rank: merge.rank, left: left, right: right, result: merge.result))
    }
}
