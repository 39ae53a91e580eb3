import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    /// FIPS 180-4 examples, as NIST publishes them, and the empty message.
    @Test(
        "has the published digests",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func published(message: String, digest: String) { #expect(SHA256.hex(message.utf8) == digest) }

    @Test("has the published digest of a million letters")
    func long() {
        var hash = SHA256()
        for _ in 0..<1000 { hash.update([UInt8](repeating: UInt8(ascii: "a"), count: 1000)) }
        #expect(hash.hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test(
        "is the same by the processor's instructions",
        .enabled(if: SHA256.hasInstructions, "this processor has no instructions for SHA-256"))
    func instructions() {
        var generator = SeededGenerator(seed: 9)
        for count in [0, 1, 64, 127, 128, 1000, 100_003] {
            let bytes = generator.bytes(count)
            var (fast, plain) = (SHA256(usesInstructions: true), SHA256(usesInstructions: false))
            fast.update(bytes)
            plain.update(bytes)
            #expect(fast.hex == plain.hex)
        }
    }

    @Test("does not depend on how bytes are cut into pieces", arguments: [0, 1, 55, 56, 63, 64, 65, 200])
    func pieces(count: Int) {
        var generator = SeededGenerator(seed: 7)
        let bytes = generator.bytes(count)
        for size in [1, 3, 63, 64, 65, 128] {
            var hash = SHA256()
            for start in stride(from: 0, to: count, by: size) {
                hash.update(Array(bytes[start..<min(count, start + size)]))
                #expect(hash.hex == SHA256.hex(bytes[..<min(count, start + size)]))
            }
            #expect(hash.hex == SHA256.hex(bytes))
        }
    }
}
