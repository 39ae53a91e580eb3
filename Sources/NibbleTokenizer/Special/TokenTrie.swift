/// Finds which of a set of texts start at a place of a text.
struct TokenTrie: Sendable {
    /// Whether a text starts with this byte.
    private var firstBytes = [Bool](repeating: false, count: 256)
    /// Nodes by parent and byte.
    private var edges: PairTable
    /// The value of the text that ends at each node; -1 for none.
    private var values: [Int32] = [-1]

    /// - Parameter texts: Distinct texts that are not empty; the value of each is its index.
    init(_ texts: [[UInt8]]) {
        edges = PairTable(minimumCapacity: texts.reduce(0) { $0 + $1.count })
        for (index, text) in texts.enumerated() {
            guard let first = text.first else { continue }
            firstBytes[Int(first)] = true
            var node: Int32 = 0
            for byte in text {
                if let edge = edges.merge(node, Int32(byte)) {
                    node = edge.result
                } else {
                    let child = Int32(values.count)
                    edges.insert(node, Int32(byte), rank: 0, result: child)
                    values.append(-1)
                    node = child
                }
            }
            if values[Int(node)] < 0 { values[Int(node)] = Int32(index) }
        }
    }

    /// Whether there are no texts.
    var isEmpty: Bool { values.count == 1 }

    /// The first place from `position` on at which a text may start; the end of `bytes` where there is none.
    func candidate(_ bytes: UnsafeBufferPointer<UInt8>, from position: Int) -> Int {
        firstBytes.withUnsafeBufferPointer { firstBytes in
            var position = position
            while position < bytes.count, !firstBytes[Int(bytes[position])] { position += 1 }
            return position
        }
    }

    /// Calls `body` with the value and length of each text that starts at `position`, shortest first.
    @inline(__always)
    func forEachMatch(
        _ bytes: UnsafeBufferPointer<UInt8>, at position: Int, _ body: (_ value: Int, _ length: Int) -> Void
    ) {
        var node: Int32 = 0
        var end = position
        while end < bytes.count, let edge = edges.merge(node, Int32(bytes[end])) {
            node = edge.result
            end += 1
            let value = values[Int(node)]
            if value >= 0 { body(Int(value), end - position) }
        }
    }
}
