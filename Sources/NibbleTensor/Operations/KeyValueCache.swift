internal import CKernels

// @unchecked: operations write disjoint parts from their threads.
/// Keys and values of one layer, in the form that attention multiplies with: `Float` in
/// every precision, as scores of some tens would lose their last digits otherwise.
public final class KeyValueCache: @unchecked Sendable {
    /// Sequences.
    public let sequences: Int
    /// Positions of each.
    public let capacity: Int
    /// Key and value heads.
    public let heads: Int
    /// Width of a head.
    public let head: Int
    private let keys: Buffer
    private let values: Buffer

    init(sequences: Int, positions: Int, heads: Int, head: Int, compute: Compute) {
        self.sequences = sequences
        capacity = positions
        self.heads = heads
        self.head = head
        let bytes = sequences * heads * capacity * head * 4
        keys = compute.pool.take(bytes: bytes)
        values = compute.pool.take(bytes: bytes)
    }

    /// Elements before those of a head: `[sequence][head][capacity * head]`.
    private func offset(_ sequence: Int, _ index: Int) -> Int { (sequence * heads + index) * capacity * head }

    /// Keys of a head, `[capacity][head]`.
    func keys(sequence: Int, head index: Int) -> UnsafeMutablePointer<Float> {
        keys.bound(to: Float.self) + offset(sequence, index)
    }

    /// Values of a head, `[head][capacity]`.
    func values(sequence: Int, head index: Int) -> UnsafeMutablePointer<Float> {
        values.bound(to: Float.self) + offset(sequence, index)
    }

    /// Stores `count` tokens of one head of a panel from `position` on.
    func store(
        keys k: UnsafePointer<Float>, values v: UnsafePointer<Float>, width: Int, count: Int, sequence: Int,
        head index: Int, position: Int, level: Int32
    ) {
        nibble_transpose(
            k, head, width, count, keys(sequence: sequence, head: index) + position * head, head, level)
        let columns = values(sequence: sequence, head: index) + position
        for feature in 0..<head {
            (columns + feature * capacity).update(from: v + feature * width, count: count)
        }
    }
}

extension Compute {
    /// An empty cache of one layer.
    public func keyValueCache(sequences: Int, positions: Int, heads: Int, head: Int) -> KeyValueCache {
        KeyValueCache(sequences: sequences, positions: positions, heads: heads, head: head, compute: self)
    }
}
