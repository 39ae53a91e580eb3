/// The largest logits of a token so far.
struct TopHeap {
    struct Entry {
        var logit: Float
        var row: Int32

        /// Whether it comes before `other`: the larger logit, of equal ones the first row.
        func precedes(_ other: Entry) -> Bool {
            logit > other.logit || (logit == other.logit && row < other.row)
        }
    }

    /// A heap whose root is the least.
    private var entries: [Entry] = []
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        entries.reserveCapacity(capacity)
    }

    /// Logits that are not above it are not taken: rows come in their order, so that of equal ones the first stays.
    private var threshold: Float { entries.count < capacity ? -.infinity : entries[0].logit }

    /// Largest first.
    var sorted: [Entry] { entries.sorted { $0.precedes($1) } }

    /// Takes the logits of a panel, `[rows][width]`, for one heap a lane.
    static func fill(
        _ heaps: UnsafeMutableBufferPointer<TopHeap>, _ logits: UnsafePointer<Float>, rows: Int, width: Int
    ) {
        var thresholds = heaps.map(\.threshold)
        for row in 0..<rows {
            let values = logits + row * width
            for lane in heaps.indices {
                guard values[lane] > thresholds[lane] else { continue }
                heaps[lane].add(Entry(logit: values[lane], row: Int32(row)))
                thresholds[lane] = heaps[lane].threshold
            }
        }
    }

    private mutating func add(_ entry: Entry) {
        guard entries.count == capacity else {
            entries.append(entry)
            var child = entries.count - 1
            while child > 0, entries[(child - 1) / 2].precedes(entries[child]) {
                entries.swapAt((child - 1) / 2, child)
                child = (child - 1) / 2
            }
            return
        }
        guard entry.precedes(entries[0]) else { return }
        entries[0] = entry
        var parent = 0
        while 2 * parent + 1 < capacity {
            var least = parent
            for child in 2 * parent + 1..<min(2 * parent + 3, capacity) {
                if entries[least].precedes(entries[child]) { least = child }
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
