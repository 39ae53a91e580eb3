/// Which two neighbouring symbols merge, how early, and into which symbol.
///
/// A hash table of 16 bytes a slot with open addressing: the inner loop of all tokenizers looks up little else.
struct PairTable: Sendable {
    /// The order of the merge, earliest first, and its result.
    struct Merge {
        let rank: UInt32
        let result: Int32
    }

    private var slots: [Slot]
    private(set) var count = 0

    private struct Slot {
        var left: Int32 = -1
        var right: Int32 = -1
        var rank: UInt32 = 0
        var result: Int32 = -1
    }

    init(minimumCapacity: Int) {
        var size = 16
        while size * 3 < minimumCapacity * 4 { size *= 2 }
        slots = Array(repeating: Slot(), count: size)
    }

    /// Adds a merge; of two for the same pair, the first stays.
    mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, result: Int32) {
        precondition(left >= 0 && right >= 0, "symbols \(left) and \(right) never merge")
        if (count + 1) * 4 > slots.count * 3 { grow() }
        let slot = place(left, right)
        guard slots[slot].left < 0 else { return }
        slots[slot] = Slot(left: left, right: right, rank: rank, result: result)
        count += 1
    }

    /// The merge of two neighbours; nil where they stay apart.
    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> Merge? {
        let slot = slots[place(left, right)]
        return slot.left < 0 ? nil : Merge(rank: slot.rank, result: slot.result)
    }

    /// Where the pair is, or would be.
    @inline(__always)
    private func place(_ left: Int32, _ right: Int32) -> Int {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 20) & mask
        while slots[slot].left >= 0, slots[slot].left != left || slots[slot].right != right {
            slot = (slot + 1) & mask
        }
        return slot
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(), count: old.count * 2)
        for entry in old where entry.left >= 0 { slots[place(entry.left, entry.right)] = entry }
    }
}
