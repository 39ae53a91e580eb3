import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("What nibble qat trains toward and on")
struct QATTeacherTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    /// A command that trains toward a cached teacher, sixteen probabilities a token.
    private func cached(
        _ output: String, teacher: String = Fixtures.path("hub/gemma3-text"), _ more: [String] = []
    ) -> [String] {
        runs.command(
            output, teacher: teacher,
            ["--set", "teacher.kind=cached", "--set", "teacher.top=16", "--quiet"] + more)
    }

    @Test("The status tells of a cache that is whole, of one that is being written, and of none")
    func status() throws {
        let path = runs.path("cache")
        try runs.run(cached("run", ["--teacher-cache", path]))
        // 20 steps of a sequence of 64 tokens.
        let whole = try #require(try runs.status()["teacher_cache"] as? [String: Any])
        #expect(whole["path"] as? String == path && whole["top"] as? Int == 16)
        #expect(whole["tokens"] as? Int == 1280 && whole["total_tokens"] as? Int == 1280)
        let bytes = try contents(path)
        #expect(whole["bytes"] as? Int == bytes.count)
        func line() throws -> Substring? {
            try runs.run(["qat", "status", runs.path("run")]).output.split(separator: "\n")
                .first { $0.hasPrefix("cache ") }
        }
        #expect(try line()?.hasSuffix("\(path), 16 probabilities of 1.28 k tokens, 128 kB") == true)
        // Seven sequences and some of the next, as a process leaves that is killed.
        let stride = 64 * (6 * 16 + 4) + 8
        let header = bytes.count - 20 * stride
        try runs.folder.write(bytes.prefix(header + 7 * stride + 100), to: "cache.part")
        try FileManager.default.removeItem(atPath: path)
        let part = try #require(try runs.status()["teacher_cache"] as? [String: Any])
        #expect(part["path"] as? String == path)
        #expect(part["tokens"] as? Int == 448 && part["total_tokens"] as? Int == 1280)
        #expect(try line()?.contains("16 probabilities of 448 of 1.28 k tokens, ") == true)
        try runs.folder.write(bytes.prefix(header - 1), to: "cache.part")
        #expect(try runs.status()["teacher_cache"] is NSNull)
        try FileManager.default.removeItem(atPath: path + ".part")
        #expect(try runs.status()["teacher_cache"] is NSNull)
        #expect(try line() == nil)
        // What lies there instead is named.
        try runs.folder.write(Array("Some text, and more of it.".utf8), to: "cache")
        let other = try CommandLineTool.run(["qat", "status", runs.path("run")])
        #expect(other.status == 1)
        #expect(
            other.errors == """
                nibble: \(path), byte 0: does not begin with 'NIBTEACH'; choose another place

                """)
        // In the run folder where no place is named.
        try runs.run(cached("own"))
        let own = try #require(try runs.status("own")["teacher_cache"] as? [String: Any])
        #expect(own["path"] as? String == runs.path("own") + "/teacher.cache")
        #expect(own["tokens"] as? Int == 1280)
    }
}
