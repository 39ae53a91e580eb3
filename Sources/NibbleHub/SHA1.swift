/// SHA-1 (FIPS 180-4, section 6.1): what git, and so a hub, names small files by. Not for anything that must resist forgery.
struct SHA1 {
    private var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    private var pending: [UInt8] = []
    private var count = 0

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count += bytes.count
        pending += bytes
        process()
    }

    mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// The digest, 20 bytes.
    mutating func finalized() -> [UInt8] {
        let bits = UInt64(count) * 8
        pending.append(0x80)
        while pending.count % 64 != 56 { pending.append(0) }
        withUnsafeBytes(of: bits.bigEndian) { pending += $0 }
        process()
        return state.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }

    private mutating func process() {
        let whole = pending.count / 64 * 64
        for start in stride(from: 0, to: whole, by: 64) {
            var words = (0..<16).map { index -> UInt32 in
                (0..<4).reduce(0) { $0 << 8 | UInt32(pending[start + 4 * index + $1]) }
            }
            for index in 16..<80 {
                let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
                words.append(mixed << 1 | mixed >> 31)
            }
            var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
            for index in 0..<80 {
                let (function, constant): (UInt32, UInt32) =
                    switch index {
                    case ..<20: (b & c | ~b & d, 0x5A82_7999)
                    case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                    case ..<60: (b & c | b & d | c & d, 0x8F1B_BCDC)
                    default: (b ^ c ^ d, 0xCA62_C1D6)
                    }
                let next = (a << 5 | a >> 27) &+ function &+ e &+ constant &+ words[index]
                (e, d, c, b, a) = (d, c, b << 30 | b >> 2, a, next)
            }
            for (index, value) in [a, b, c, d, e].enumerated() { state[index] = state[index] &+ value }
        }
        pending.removeFirst(whole)
    }
}
