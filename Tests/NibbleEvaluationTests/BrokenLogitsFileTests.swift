import NibbleCheckpoint
import NibbleEvaluation
import NibbleTestSupport
import Testing

@Suite("Broken files of logits")
struct BrokenLogitsFileTests {
    private func error(_ bytes: [UInt8]) throws -> CheckpointError? {
        let folder = try TemporaryFolder()
        let path = try folder.write(bytes, to: "x.logits")
        return #expect(throws: CheckpointError.self) {
            let reader = try LogitsFileReader(path: path)
            _ = try reader.record(chunk: 0, index: 0)
        }
    }

    private func original(_ changes: [Int: [UInt8]] = [:]) throws -> [UInt8] {
        var bytes = try contents(RecordedDivergence.logits)
        for (offset, change) in changes {
            bytes.replaceSubrange(offset..<offset + change.count, with: change)
        }
        return bytes
    }

    @Test("Other files and headers cut short", arguments: [0, 1, 8, 19])
    func short(count: Int) throws {
        #expect(try error(Array(original().prefix(count)))?.code == .truncated)
    }

    @Test("A file that is something else")
    func foreign() throws {
        let error = try error(contents(Fixtures.path("hub/llama3-new.expected.gguf")))
        #expect(error?.code == .malformed)
        #expect(error?.problem.contains("_logits_") == true)
        #expect(throws: CheckpointError.self) { _ = try LogitsFileReader(path: Fixtures.path("none")) }
    }

    @Test(
        "Numbers of the header out of range",
        arguments: [
            (8, [0, 0, 0, 0]), (8, [2, 0, 0, 0]), (8, [0xFF, 0xFF, 0xFF, 0xFF]), (12, [0, 0, 0, 0]),
            (12, [0, 0, 0, 0x80]), (16, [0, 0, 0, 0]), (16, [0xFF, 0xFF, 0xFF, 0xFF]),
        ] as [(Int, [UInt8])])
    func header(offset: Int, bytes: [UInt8]) throws {
        let error = try error(original([offset: bytes]))
        #expect(error?.code == .malformed)
        #expect(error?.offset == 8)
    }

    @Test(
        "Sizes beyond the file, up to those that overflow",
        arguments: [
            [8: [0xFF, 0xFF, 0xFF, 0x7F]], [12: [0xFF, 0xFF, 0xFF, 0x7F]], [16: [0xFF, 0xFF, 0xFF, 0x7F]],
            [
                8: [0xFF, 0xFF, 0xFF, 0x7F], 12: [0xFF, 0xFF, 0xFF, 0x7F], 16: [0xFF, 0xFF, 0xFF, 0x7F],
            ],
        ] as [[Int: [UInt8]]])
    func huge(changes: [Int: [UInt8]]) throws {
        let error = try error(original(changes))
        #expect(error?.code == .truncated || error?.code == .malformed)
    }

    @Test("A file that was cut says how many chunks are whole")
    func truncated() throws {
        // 20 + 960 bytes before the records, 11 · 812 in a chunk.
        let error = try error(Array(original().prefix(980 + 3 * 11 * 812 + 5)))
        #expect(error?.code == .truncated)
        #expect(error?.problem.contains("10 chunks") == true)
        #expect(error?.problem.contains("3 of them are there") == true)
        #expect(error?.offset == 980 + 3 * 11 * 812 + 5)
    }

    @Test("Bytes after the end")
    func trailing() throws {
        let error = try error(original() + [0, 0])
        #expect(error?.code == .malformed)
        #expect(error?.problem.hasPrefix("2 bytes follow") == true)
    }

    @Test(
        "A token outside the vocabulary",
        arguments: [[0x91, 1, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]])
    func token(bytes: [UInt8]) throws {
        let error = try error(original([20 + 4 * 7: bytes]))
        #expect(error?.code == .invalidValue)
        #expect(error?.offset == 48)
        #expect(error?.subject == "token 7")
    }

    @Test(
        "Parameters that no logits give",
        arguments: [
            [980: [0, 0, 0xC0, 0x7F]], [980: [0, 0, 0x80, 0x7F]], [980: [0, 0, 0x80, 0xBF]],
            [984: [0, 0, 0xC0, 0x7F]], [984: [0, 0, 0x80, 0xFF]], [984: [0, 0, 0x80, 0x3F]],
        ] as [[Int: [UInt8]]])
    func parameters(changes: [Int: [UInt8]]) throws {
        let error = try error(original(changes))
        #expect(error?.code == .invalidValue)
        #expect(error?.offset == 980)
        #expect(error?.subject == "record 0 of chunk 0")
    }
}
