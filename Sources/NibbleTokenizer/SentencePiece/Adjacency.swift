/// Which scalars stand side by side in any token.
///
/// Where two neighbours of a text do so in no token, no merge will ever reach across them, so that both sides
/// can be tokenized apart, with the same result. In most vocabularies every space is such a place.
///
/// A Bloom filter besides ASCII: a wrong yes costs time only.
struct Adjacency: Sendable {
    private var ascii = [Bool](repeating: false, count: 128 * 128)
    private var bits: [UInt64]

    /// - Parameter pairCount: How many pairs will be added, at most.
    init(pairCount: Int) {
        var size = 1 << 10
        while size * 4 < pairCount, size < 1 << 20 { size *= 2 }
        bits = Array(repeating: 0, count: size)
    }

    mutating func insert(_ left: UInt32, _ right: UInt32) {
        if left | right < 128 {
            ascii[Int(left << 7 | right)] = true
        } else {
            let bit = place(left, right)
            bits[bit >> 6] |= 1 << UInt64(bit & 63)
        }
    }

    @inline(__always)
    func contains(_ left: UInt32, _ right: UInt32) -> Bool {
        if left | right < 128 { return ascii[Int(left << 7 | right)] }
        let bit = place(left, right)
        return bits[bit >> 6] & 1 << UInt64(bit & 63) != 0
    }

    @inline(__always)
    private func place(_ left: UInt32, _ right: UInt32) -> Int {
        let key = UInt64(left) << 21 | UInt64(right)
        return Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 22) & (bits.count << 6 - 1)
    }
}
