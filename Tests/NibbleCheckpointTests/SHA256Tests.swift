import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    private func digest(_ bytes: [UInt8], pieces: Int? = nil) -> String {
        var hash = NibbleCheckpoint.SHA256()
        bytes.withUnsafeBytes { buffer in
            for start in stride(from: 0, to: buffer.count, by: pieces ?? max(buffer.count, 1)) {
                let end = min(start + (pieces ?? buffer.count), buffer.count)
                hash.update(UnsafeRawBufferPointer(rebasing: buffer[start..<end]))
            }
        }
        return NibbleCheckpoint.SHA256.hex(hash.finalized())
    }

    @Test("Digests are those of FIPS 180-4's examples")
    func examples() {
        #expect(digest([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            digest(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            digest([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test(
        "Digests of every length about a block are those of a second implementation, in pieces of any size",
        arguments: [1, 3, 63, 64, 65, 200])
    func pieces(size: Int) {
        var random = SeededGenerator(seed: 5)
        for count in Array(0...130) + [1000] {
            let bytes = random.bytes(count)
            #expect(digest(bytes, pieces: size) == NibbleTestSupport.SHA256.hex(bytes), "\(count) bytes")
        }
    }

    @Test("More bytes may follow a digest")
    func continues() {
        var hash = NibbleCheckpoint.SHA256()
        let text = Array("abc".utf8)
        text[..<1].withUnsafeBytes { hash.update($0) }
        let first = hash.finalized()
        text[1...].withUnsafeBytes { hash.update($0) }
        #expect(NibbleCheckpoint.SHA256.hex(first) == digest([UInt8(ascii: "a")]))
        #expect(NibbleCheckpoint.SHA256.hex(hash.finalized()) == digest(text))
    }
}
