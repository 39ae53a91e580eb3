/// Merges that may be next: a binary heap, smallest rank first, then the leftmost.
struct MergeQueue {
    struct Entry {
        /// The rank above the position of the left symbol.
        let key: UInt64
        /// The position of the right symbol.
        let right: Int32
        /// The symbol that both become.
        let result: Int32

        @inline(__always)
        init(rank: UInt32, left: Int, right: Int, result: Int32) {
            key = UInt64(rank) << 32 | UInt64(left)
            self.right = Int32(right)
            self.result = result
        }

        /// The position of the left symbol.
        @inline(__always)
        var left: Int { Int(key & 0xFFFF_FFFF) }
    }

    private var entries: [Entry] = []

    /// Forgets all entries, and most of the memory of an exceptionally long word.
    mutating func removeAll() { entries.removeAll(keepingCapacity: entries.capacity < 1 << 16) }

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        entries.withUnsafeMutableBufferPointer { heap in
            var place = heap.count - 1
            while place > 0 {
                let parent = (place - 1) / 2
                guard entry.key < heap[parent].key else { break }
                heap[place] = heap[parent]
                place = parent
            }
            heap[place] = entry
        }
    }

    mutating func pop() -> Entry? {
        guard let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return last }
        return entries.withUnsafeMutableBufferPointer { heap in
            let first = heap[0]
            var place = 0
            while true {
                var child = 2 * place + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, heap[child + 1].key < heap[child].key { child += 1 }
                guard heap[child].key < last.key else { break }
                heap[place] = heap[child]
                place = child
            }
            heap[place] = last
            return first
        }
    }
}
