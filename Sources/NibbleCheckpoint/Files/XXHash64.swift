/// XXH64 with seed 0 (Collet, xxHash specification 0.1.1), fed in pieces.
///
/// It finds truncation and damage of files at the speed of memory; it is no defence against forgery.
package struct XXHash64: Sendable {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5
    /// Bytes that are taken at once, 8 for each of four lanes.
    private static let stripe = 32

    private var lanes: (UInt64, UInt64, UInt64, UInt64) = (
        XXHash64.prime1 &+ XXHash64.prime2, XXHash64.prime2, 0, 0 &- XXHash64.prime1
    )
    /// What does not fill a stripe yet.
    private var rest: [UInt8] = []
    private var count: UInt64 = 0

    /// The hash of nothing so far.
    package init() {}

    /// Appends `bytes`. The result does not depend on how a message is cut into pieces.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count &+= UInt64(bytes.count)
        var position = 0
        if !rest.isEmpty {
            position = min(Self.stripe - rest.count, bytes.count)
            rest.append(contentsOf: bytes[..<position])
            guard rest.count == Self.stripe else { return }
            let whole = rest
            rest.removeAll(keepingCapacity: true)
            whole.withUnsafeBytes { stripes($0, 0..<Self.stripe) }
        }
        let end = position + (bytes.count - position) / Self.stripe * Self.stripe
        stripes(bytes, position..<end)
        rest.append(contentsOf: bytes[end...])
    }

    /// Takes the stripes of `range`, whose length is a multiple of a stripe.
    private mutating func stripes(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        var (a, b, c, d) = lanes
        var position = range.lowerBound
        while position < range.upperBound {
            a = Self.round(a, Self.word(bytes, position))
            b = Self.round(b, Self.word(bytes, position + 8))
            c = Self.round(c, Self.word(bytes, position + 16))
            d = Self.round(d, Self.word(bytes, position + 24))
            position += Self.stripe
        }
        lanes = (a, b, c, d)
    }

    /// The hash of all that was appended.
    package var value: UInt64 {
        var hash = Self.prime5
        if count >= UInt64(Self.stripe) {
            let (a, b, c, d) = lanes
            hash = Self.rotate(a, 1) &+ Self.rotate(b, 7) &+ Self.rotate(c, 12) &+ Self.rotate(d, 18)
            for lane in [a, b, c, d] {
                hash = (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
            }
        }
        hash &+= count
        rest.withUnsafeBytes { bytes in
            var position = 0
            while position + 8 <= bytes.count {
                hash ^= Self.round(0, Self.word(bytes, position))
                hash = Self.rotate(hash, 27) &* Self.prime1 &+ Self.prime4
                position += 8
            }
            if position + 4 <= bytes.count {
                let half = bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
                hash ^= UInt64(UInt32(littleEndian: half)) &* Self.prime1
                hash = Self.rotate(hash, 23) &* Self.prime2 &+ Self.prime3
                position += 4
            }
            for byte in bytes[position...] {
                hash ^= UInt64(byte) &* Self.prime5
                hash = Self.rotate(hash, 11) &* Self.prime1
            }
        }
        hash = (hash ^ hash >> 33) &* Self.prime2
        hash = (hash ^ hash >> 29) &* Self.prime3
        return hash ^ hash >> 32
    }

    /// ``value`` in 16 hexadecimal digits.
    package var hexadecimal: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }

    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotate(lane &+ word &* prime2, 31) &* prime1
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 - count)
    }
}
