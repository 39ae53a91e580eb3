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
            ["--set", "teacher.kind=cached", "--set", "teacher.top_k=16", "--quiet"] + more)
    }

    private func model(_ name: String) throws -> [UInt8] { try contents(runs.path(name) + "/model.gguf") }

    /// A digest in the identity of a run.
    private func digest(_ part: String, _ name: String) throws -> String {
        let identity = try QATRuns.json(
            String(decoding: contents(runs.path(name) + "/run.json"), as: UTF8.self))
        return try #require(identity["\(part)_digest"] as? String)
    }

    /// Which file it is, and when it was written.
    private func state(_ path: String) throws -> [AnyHashable?] {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return [.systemFileNumber, .modificationDate, .size].map { attributes[$0] as? AnyHashable }
    }

    @Test("A teacher's cache is made where it is not there, and used again where it is")
    func cache() throws {
        let path = runs.path("cache")
        try runs.run(cached("own"))
        try runs.run(cached("first", ["--teacher-cache", path]))
        #expect(try contents(path) == contents(runs.path("own") + "/teacher.cache"))
        #expect(!FileManager.default.fileExists(atPath: runs.path("first") + "/teacher.cache"))
        let before = try state(path)
        try runs.run(cached("second", ["--teacher-cache", path]))
        #expect(try state(path) == before)
        #expect(try model("first") == model("own"))
        #expect(try model("second") == model("own"))
        // What is trained toward is another target than all probabilities.
        try runs.run(runs.command("live"))
        #expect(
            try QATRuns.tensors(runs.path("live") + "/model.gguf")
                != QATRuns.tensors(runs.path("own") + "/model.gguf"))
    }

    @Test("A cache of another text or teacher is refused with both digests, one of no use by its name")
    func refused() throws {
        let path = runs.path("cache")
        try runs.run(cached("run", ["--teacher-cache", path]))
        let before = try state(path)
        let page = try runs.folder.write(Array(try contents(runs.text).dropFirst(1000)), to: "page.txt")
        let teacher = runs.path("teacher.gguf")
        try runs.run([
            "convert", Fixtures.path("hub/gemma3-text"), "-o", teacher, "--type", "q8_0", "--quiet",
        ])
        var text = cached("text", ["--teacher-cache", path])
        text[3] = page
        for (name, command) in [
            ("text", text), ("teacher", cached("teacher", teacher: teacher, ["--teacher-cache", path])),
        ] {
            let result = try CommandLineTool.run(command)
            #expect(result.status == 1 && result.output.isEmpty)
            let digests = (try digest(name, "run"), try digest(name, name))
            #expect(
                result.errors == """
                    nibble: \(path): was made for another \(name) (\(digests.0), now \(digests.1)); use what it was \
                    made for, or remove it, or choose another place

                    """)
        }
        let live = try CommandLineTool.run(runs.command("live", ["--teacher-cache", path, "--quiet"]))
        #expect(live.status == 1)
        #expect(
            live.errors == """
                nibble: recipe: teacher.kind is live, but a cache is named, '\(path)', which it has no use for; set \
                teacher.kind to cached, or name no cache

                """)
        #expect(!FileManager.default.fileExists(atPath: runs.path("live")))
        #expect(try state(path) == before)
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

    @Test("Text of the teacher's own is written once, and is the same in another run")
    func ownText() throws {
        func command(_ output: String, _ more: [String] = []) -> [String] {
            var command = runs.command(output, ["--self-sequences", "6"] + more)
            command[3] = "self"
            return command
        }
        let result = try runs.run(command("run"))
        // Two more are held out.
        #expect(result.errors.contains("\ntext: 6 sequences, 384 tokens, "), "\(result.errors)")
        let text = runs.path("run") + "/self-text.tokens"
        let (before, written) = (try state(text), try contents(text))
        #expect(written.starts(with: Array("NIBTEXT0".utf8)))
        try runs.run(command("run", ["--resume", "--quiet"]))
        #expect(try state(text) == before)
        try runs.run(command("other", ["--quiet"]))
        #expect(try contents(runs.path("other") + "/self-text.tokens") == written)
        #expect(try model("run") == model("other"))
        try runs.run(command("seed", ["--seed", "2", "--quiet"]))
        #expect(try contents(runs.path("seed") + "/self-text.tokens") != written)
        let none = try CommandLineTool.run(command("none", ["--self-sequences", "0"]))
        #expect(none.status == 64)
        #expect(none.errors.hasPrefix("Error: --self-sequences is 0, expected 1 or more\n"))
    }

    @Test("A run of no steps rounds, evaluates and exports, and says that it is finished when it is resumed")
    func noSteps() throws {
        let command = runs.command("run", steps: 0, ["--set", "quantization.scales=learned"])
        let result = try runs.run(command)
        func words(_ text: String) -> String {
            text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        let report = words(result.output)
        #expect(report.contains(" rounded to nearest ") && report.contains(" calibrated "))
        #expect(report.contains("; finished at step 0, "))
        #expect(try runs.savedSteps() == [0])
        let status = try runs.status()
        #expect(status["step"] as? Int == 0 && status["total_steps"] as? Int == 0)
        let lines = try runs.run(["qat", "status", runs.path("run")]).output
        #expect(lines.contains("state    finished\n") && lines.contains("step     0 of 0\n"), "\(lines)")
        let plain = runs.path("plain.gguf")
        try runs.run([
            "convert", Fixtures.path("hub/gemma3-text"), "-o", plain, "--type", "q4_0", "--quiet",
        ])
        let (rounded, nearest) = (
            try QATRuns.tensors(runs.path("run") + "/model.gguf"), try QATRuns.tensors(plain)
        )
        let changed = rounded.filter { $0.value != nearest[$0.key] }.map(\.key)
        #expect(changed.count > 50 && changed.allSatisfy { $0.hasPrefix("blk.") && $0.hasSuffix(".weight") })

        let file = try model("run")
        let again = try runs.run(command + ["--resume"])
        #expect(words(again.output).prefix { $0 != ";" } == report.prefix { $0 != ";" })
        #expect(again.output.contains("; finished at step 0, "))
        #expect(try model("run") == file)
        let second = try CommandLineTool.run(command)
        #expect(second.status == 1)
        #expect(
            second.errors.hasSuffix(
                "holds a run already; go on with it (--resume), or begin in another folder\n"))
    }
}
