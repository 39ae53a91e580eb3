/// Finds tokens by their bytes.
///
/// Not a `Dictionary<String, Int>`: Swift takes strings for equal that differ in their Unicode composition,
/// and vocabularies hold both `é` as one scalar and as two. Also, the hash of every prefix and suffix of a
/// token costs constant time, which is what listing merges needs.
package struct TokenIndex: Sendable {
    /// The first two tokens with the same bytes.
    package private(set) var duplicate: (first: Int, second: Int)?
    private let bytes: [UInt8]
    /// Where each token starts in `bytes`; one more than there are tokens.
    private let starts: [Int]
    private let hashes: [UInt64]
    /// Token numbers by hash, `-1` for none; a power of two of them, at most half full.
    private let slots: [Int32]
    private let hasher = TokenHasher()

    /// Indexes the tokens by their order.
    package init(_ tokens: [String]) {
        var bytes: [UInt8] = []
        var starts = [0]
        starts.reserveCapacity(tokens.count + 1)
        for token in tokens {
            bytes.append(contentsOf: token.utf8)
            starts.append(bytes.count)
        }
        var capacity = 16
        while capacity < 2 * tokens.count { capacity *= 2 }
        var slots = [Int32](repeating: -1, count: capacity)
        var hashes: [UInt64] = []
        hashes.reserveCapacity(tokens.count)
        var duplicate: (Int, Int)?
        for index in tokens.indices {
            let token = bytes[starts[index]..<starts[index + 1]]
            let hash = hasher.hash(token)
            hashes.append(hash)
            var slot = Int(truncatingIfNeeded: hash) & (capacity - 1)
            while slots[slot] >= 0 {
                let other = Int(slots[slot])
                if hashes[other] == hash, bytes[starts[other]..<starts[other + 1]].elementsEqual(token) {
                    duplicate = duplicate ?? (other, index)
                    break
                }
                slot = (slot + 1) & (capacity - 1)
            }
            if slots[slot] < 0 { slots[slot] = Int32(index) }
        }
        self.bytes = bytes
        self.starts = starts
        self.hashes = hashes
        self.slots = slots
        self.duplicate = duplicate
    }

    /// The number of the token with this text; nil where there is none.
    package func token(_ text: String) -> Int? { token(Array(text.utf8)[...]) }

    /// The number of the token with these bytes; nil where there is none.
    package func token(_ text: ArraySlice<UInt8>) -> Int? { find(text, hash: hasher.hash(text)) }

    /// The bytes of a token.
    package func bytes(of token: Int) -> ArraySlice<UInt8> { bytes[starts[token]..<starts[token + 1]] }

    /// Bytes of all tokens.
    package var byteCount: Int { bytes.count }

    /// Calls `body` for every place where a token can be cut in two tokens, with the number of bytes before
    /// the cut and the numbers of both parts.
    ///
    /// - Complexity: `O(bytes of the token)`, besides `body`.
    package func forEachSplit(of token: Int, _ body: (_ cut: Int, _ left: Int, _ right: Int) -> Void) {
        let text = bytes(of: token)
        guard text.count > 1 else { return }
        let suffixes = hasher.suffixHashes(text)
        var prefix = TokenHasher.empty
        for cut in 1..<text.count {
            let place = text.startIndex + cut
            prefix = hasher.appending(text[place - 1], to: prefix)
            // Only between scalars: continuation bytes begin with 10.
            guard text[place] & 0xC0 != 0x80, let left = find(text[..<place], hash: prefix),
                let right = find(text[place...], hash: suffixes[cut])
            else { continue }
            body(cut, left, right)
        }
    }

    private func find(_ text: ArraySlice<UInt8>, hash: UInt64) -> Int? {
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let token = Int(slots[slot])
            if hashes[token] == hash, bytes(of: token).elementsEqual(text) { return token }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }
}

/// A polynomial of the bytes modulo the prime 2^61 - 1, in a base drawn anew for every index, so that no file
/// can be made to collide.
private struct TokenHasher: Sendable {
    static let empty: UInt64 = 1
    private static let prime: UInt64 = 1 << 61 - 1
    private let base = UInt64.random(in: 1 << 32..<prime)

    func hash(_ text: ArraySlice<UInt8>) -> UInt64 {
        var hash = Self.empty
        for byte in text { hash = appending(byte, to: hash) }
        return hash
    }

    func appending(_ byte: UInt8, to hash: UInt64) -> UInt64 {
        Self.sum(Self.product(hash, base), UInt64(byte))
    }

    /// The hashes of all suffixes, by the number of bytes left out before them.
    func suffixHashes(_ text: ArraySlice<UInt8>) -> [UInt64] {
        var hashes = [UInt64](repeating: Self.empty, count: text.count + 1)
        // The hash of n bytes is base^n + byte[0] base^(n-1) + ...; `tail` is it without the first term.
        var tail: UInt64 = 0
        var power: UInt64 = 1
        for index in (0..<text.count).reversed() {
            tail = Self.sum(tail, Self.product(UInt64(text[text.startIndex + index]), power))
            power = Self.product(power, base)
            hashes[index] = Self.sum(power, tail)
        }
        return hashes
    }

    private static func sum(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let sum = a + b
        return sum >= prime ? sum - prime : sum
    }

    private static func product(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (high, low) = a.multipliedFullWidth(by: b)
        return sum(low & prime, high << 3 | low >> 61)
    }
}
