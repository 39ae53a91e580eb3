internal import CKernels

// @unchecked: operations write disjoint parts from their threads.
/// Keys and values of one layer, in the form that attention multiplies with.
public final class KeyValueCache: @unchecked Sendable {
    /// Sequences.
    public let sequences: Int
    /// Positions of each, a multiple of 32.
    public let capacity: Int
    /// Key and value heads.
    public let heads: Int
    /// Width of a head.
    public let head: Int
    /// BF16 rather than `Float`.
    let isBF16: Bool
    private let keys: Buffer
    private let values: Buffer

    init(sequences: Int, positions: Int, heads: Int, head: Int, compute: Compute) {
        self.sequences = sequences
        capacity = (positions + 31) / 32 * 32
        self.heads = heads
        self.head = head
        isBF16 = compute.attendsInBF16
        let bytes = sequences * heads * capacity * head * (isBF16 ? 2 : 4)
        keys = compute.pool.take(bytes: bytes)
        values = compute.pool.take(bytes: bytes)
        // Products run over whole blocks of positions; what is not filled yet is multiplied by zero.
        keys.clear()
        values.clear()
    }

    /// Elements before those of a head: `[sequence][head][capacity * head]`.
    private func offset(_ sequence: Int, _ index: Int) -> Int { (sequence * heads + index) * capacity * head }

    /// Keys of a head, `[capacity][head]`.
    func keys<Element>(_ type: Element.Type, sequence: Int, head index: Int) -> UnsafeMutablePointer<Element>
    {
        keys.bound(to: type) + offset(sequence, index)
    }

    /// Values of a head, `[head][capacity]`.
    func values<Element>(_ type: Element.Type, sequence: Int, head index: Int) -> UnsafeMutablePointer<
        Element
    > {
        values.bound(to: type) + offset(sequence, index)
    }

    /// Stores `count` tokens of one head of a panel from `position` on.
    func store(
        keys k: UnsafePointer<Float>, values v: UnsafePointer<Float>, width: Int, count: Int, sequence: Int,
        head index: Int, position: Int, level: Int32
    ) {
        if isBF16 {
            nibble_store_keys_bf16(
                k, head, width, count, keys(UInt16.self, sequence: sequence, head: index) + position * head,
                level)
            nibble_store_values_bf16(
                v, head, width, count, capacity,
                values(UInt16.self, sequence: sequence, head: index) + position,
                level)
            return
        }
        let rows = keys(Float.self, sequence: sequence, head: index) + position * head
        let columns = values(Float.self, sequence: sequence, head: index) + position
        for feature in 0..<head {
            for token in 0..<count {
                rows[token * head + feature] = k[feature * width + token]
                columns[feature * capacity + token] = v[feature * width + token]
            }
        }
    }
}

extension Compute {
    /// An empty cache of one layer.
    public func keyValueCache(sequences: Int, positions: Int, heads: Int, head: Int) -> KeyValueCache {
        KeyValueCache(sequences: sequences, positions: positions, heads: heads, head: head, compute: self)
    }
}
