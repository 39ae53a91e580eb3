import NibbleTestSupport
import Testing

@testable import NibbleCheckpoint

@Suite("Checksums")
struct ChecksumTests {
    private func hash(_ pieces: [[UInt8]]) -> String {
        var hash = XXHash64()
        for piece in pieces { piece.withUnsafeBytes { hash.update($0) } }
        return hash.hexadecimal
    }

    // From Python's xxhash, xxhash.xxh64(data, seed=0); the first two are also in the specification's tests.
    @Test(
        "are XXH64's",
        arguments: [
            ("", "ef46db3751d8e999"), ("a", "d24ec4f1a98c6e5b"), ("abc", "44bc2cf5ad770999"),
            ("Nobody inspects the spammish repetition", "fbcea83c8a378bf1"),
        ])
    func vectors(text: String, expected: String) {
        #expect(hash([Array(text.utf8)]) == expected)
    }

    @Test("do not depend on how the message is cut", arguments: [0, 1, 31, 32, 33, 63, 64, 65, 1000])
    func pieces(count: Int) {
        var generator = SeededGenerator(seed: 3)
        let bytes = generator.bytes(count)
        let whole = hash([bytes])
        for size in [1, 7, 8, 31, 32, 33, 100] {
            let pieces = stride(from: 0, to: count, by: size).map {
                Array(bytes[$0..<min($0 + size, count)])
            }
            #expect(hash(pieces) == whole, "\(size)")
        }
    }

    @Test("change with every bit")
    func bits() {
        var generator = SeededGenerator(seed: 4)
        var bytes = generator.bytes(77)
        var seen: Set<String> = [hash([bytes])]
        for bit in 0..<8 * bytes.count {
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            seen.insert(hash([bytes]))
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        #expect(seen.count == 1 + 8 * bytes.count)
    }

    // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    @Test(
        "of records are CRC-32C",
        arguments: [
            (Array("123456789".utf8), 0xE306_9283), ([], 0), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43), ([UInt8](0..<32), 0x46DD_794E),
            ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
        ] as [([UInt8], UInt32)])
    func crc(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C.checksum(bytes) == expected)
        #expect(CRC32C.masked(bytes) == (expected >> 15 | expected << 17) &+ 0xA282_EAD8)
    }
}
