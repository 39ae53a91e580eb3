internal import CKernels

/// SHA-256 (FIPS 180-4) over bytes that arrive in pieces.
///
/// ```swift
/// var hash = SHA256()
/// hash.update(bytes)
/// print(hash.hex)
/// ```
package struct SHA256: Sendable {
    private var state: State
    /// Bytes of a block that is not whole yet, fewer than 64.
    private var pending: [UInt8] = []
    private var byteCount: UInt64 = 0

    private static let blockSize = 64

    /// Whether the processor has instructions for it, which take a seventh of the time.
    package static let hasInstructions = nibble_has_sha256() != 0

    /// The hash of nothing yet.
    ///
    /// - Parameter usesInstructions: false for the plain form, which those instructions are tested against.
    package init(usesInstructions: Bool = hasInstructions) {
        state = State(usesInstructions: usesInstructions)
        pending.reserveCapacity(Self.blockSize)
    }

    /// Takes more bytes in.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        byteCount &+= UInt64(bytes.count)
        var rest = bytes[...]
        if !pending.isEmpty {
            let taken = rest.prefix(Self.blockSize - pending.count)
            pending.append(contentsOf: taken)
            rest = rest.dropFirst(taken.count)
            guard pending.count == Self.blockSize else { return }
            pending.withUnsafeBytes { state.update(blocks: $0) }
            pending.removeAll(keepingCapacity: true)
        }
        let whole = rest.count / Self.blockSize * Self.blockSize
        state.update(blocks: UnsafeRawBufferPointer(rebasing: rest.prefix(whole)))
        pending.append(contentsOf: rest.dropFirst(whole))
    }

    /// The 32 bytes of the digest of everything so far; more may follow, as if it had not been asked for.
    package func finalized() -> [UInt8] {
        var last = self
        var padding: [UInt8] = [0x80]
        padding.append(contentsOf: repeatElement(0, count: (119 - pending.count) % Self.blockSize))
        withUnsafeBytes(of: (byteCount &* 8).bigEndian) { padding.append(contentsOf: $0) }
        padding.withUnsafeBytes { last.update($0) }
        return last.state.bytes
    }

    /// ``finalized()`` as 64 hexadecimal digits in lower case.
    package var hex: String { Self.digits(of: finalized()) }

    /// The digest of a file, in hexadecimal.
    package static func hex(_ file: MappedFile) -> String {
        var hash = SHA256()
        file.forEachPiece { hash.update($0) }
        return hash.hex
    }

    /// The digest of `bytes`, in hexadecimal.
    package static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var hash = SHA256()
        hash.update(Array(bytes))
        return hash.hex
    }

    /// Adds bytes.
    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// `bytes` as lower-case hexadecimal digits, two a byte.
    package static func digits(of bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    fileprivate static let constants: [UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
        0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
        0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
        0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
        0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
        0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
        0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
        0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
        0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]
}

/// The eight words that a block is folded into.
private struct State: Sendable {
    let usesInstructions: Bool
    private var a: UInt32 = 0x6a09_e667
    private var b: UInt32 = 0xbb67_ae85
    private var c: UInt32 = 0x3c6e_f372
    private var d: UInt32 = 0xa54f_f53a
    private var e: UInt32 = 0x510e_527f
    private var f: UInt32 = 0x9b05_688c
    private var g: UInt32 = 0x1f83_d9ab
    private var h: UInt32 = 0x5be0_cd19

    init(usesInstructions: Bool) { self.usesInstructions = usesInstructions }

    /// The words, big-endian.
    var bytes: [UInt8] {
        [a, b, c, d, e, f, g, h].flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    }

    /// Takes whole blocks in.
    mutating func update(blocks: UnsafeRawBufferPointer) {
        guard !blocks.isEmpty else { return }
        guard !usesInstructions else { return updateByInstructions(blocks) }
        // Both pointers are valid for the indices below: 64 constants, 64 words.
        SHA256.constants.withUnsafeBufferPointer { constants in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { words in
                guard let k = constants.baseAddress, let w = words.baseAddress else { return }
                for start in stride(from: 0, to: blocks.count, by: 64) {
                    for i in 0..<16 {
                        w[i] = UInt32(
                            bigEndian: blocks.loadUnaligned(fromByteOffset: start &+ 4 &* i, as: UInt32.self))
                    }
                    compress(w, k)
                }
            }
        }
    }

    private mutating func updateByInstructions(_ blocks: UnsafeRawBufferPointer) {
        var words = [a, b, c, d, e, f, g, h]
        SHA256.constants.withUnsafeBufferPointer { constants in
            nibble_sha256_blocks(
                &words, constants.baseAddress, blocks.assumingMemoryBound(to: UInt8.self).baseAddress,
                blocks.count / 64)
        }
        (a, b, c, d) = (words[0], words[1], words[2], words[3])
        (e, f, g, h) = (words[4], words[5], words[6], words[7])
    }

    /// Takes the block in whose 16 words begin `w`; the other 48 are written.
    private mutating func compress(_ w: UnsafeMutablePointer<UInt32>, _ k: UnsafePointer<UInt32>) {
        for i in 16..<64 {
            let (x, y) = (w[i &- 15], w[i &- 2])
            let s0 = rotate(x, 7) ^ rotate(x, 18) ^ x &>> 3
            let s1 = rotate(y, 17) ^ rotate(y, 19) ^ y &>> 10
            w[i] = w[i &- 16] &+ s0 &+ w[i &- 7] &+ s1
        }
        var (a, b, c, d) = (self.a, self.b, self.c, self.d)
        var (e, f, g, h) = (self.e, self.f, self.g, self.h)
        var i = 0
        // The names move round instead of the words.
        while i < 64 {
            step(a, b, c, &d, e, f, g, &h, k[i] &+ w[i])
            step(h, a, b, &c, d, e, f, &g, k[i &+ 1] &+ w[i &+ 1])
            step(g, h, a, &b, c, d, e, &f, k[i &+ 2] &+ w[i &+ 2])
            step(f, g, h, &a, b, c, d, &e, k[i &+ 3] &+ w[i &+ 3])
            step(e, f, g, &h, a, b, c, &d, k[i &+ 4] &+ w[i &+ 4])
            step(d, e, f, &g, h, a, b, &c, k[i &+ 5] &+ w[i &+ 5])
            step(c, d, e, &f, g, h, a, &b, k[i &+ 6] &+ w[i &+ 6])
            step(b, c, d, &e, f, g, h, &a, k[i &+ 7] &+ w[i &+ 7])
            i &+= 8
        }
        self.a &+= a
        self.b &+= b
        self.c &+= c
        self.d &+= d
        self.e &+= e
        self.f &+= f
        self.g &+= g
        self.h &+= h
    }

    @inline(__always)
    private func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 {
        value &>> count | value &<< (32 &- count)
    }

    @inline(__always)
    private func step(
        _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32, _ e: UInt32, _ f: UInt32, _ g: UInt32,
        _ h: inout UInt32, _ word: UInt32
    ) {
        let s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
        let t = h &+ s1 &+ (g ^ (e & (f ^ g))) &+ word
        let s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
        d &+= t
        h = t &+ s0 &+ ((a & b) | (c & (a | b)))
    }
}
