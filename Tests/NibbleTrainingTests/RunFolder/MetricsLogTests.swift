import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Metrics")
struct MetricsLogTests {
    private func text(_ folder: TemporaryFolder) throws -> String {
        String(decoding: try contents(folder.file("m")), as: UTF8.self)
    }

    @Test("are one JSON object a line, numbers shortest, NaN and infinity null")
    func lines() throws {
        let folder = try TemporaryFolder()
        let log = try MetricsLog(path: folder.file("m"), resumingAt: nil)
        try log.append(step: 0, ["loss": 0.1, "rate": 1e-5, "norm": .nan])
        try log.append(step: 1, ["loss/\"a\"": 512, "b": -.infinity])
        #expect(
            try text(folder) == """
                {"step":0,"loss":0.1,"rate":1e-05,"norm":null}
                {"step":1,"loss/\\"a\\"":512.0,"b":null}

                """)
        let history = try MetricsHistory(path: folder.file("m"))
        #expect(history.records.map(\.step) == [0, 1])
        #expect(history.records[0]["rate"] == 1e-5)
        #expect(history.records[0]["norm"]?.isNaN == true)
        #expect(history.records[1]["loss"] == nil)
        #expect(history.series("loss/\"a\"").map(\.step) == [1])
    }

    @Test(
        "read back to the bit",
        arguments: [0, -0.0, 0.1, 1 / 3, .pi * 1e300, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1e16])
    func bits(value: Double) throws {
        let folder = try TemporaryFolder()
        try MetricsLog(path: folder.file("m"), resumingAt: nil).append(step: 1, ["loss": value])
        let read = try MetricsHistory(path: folder.file("m")).records.first?["loss"]
        #expect(read?.bitPattern == value.bitPattern)
    }

    @Test("of later steps, and a torn line, are cut on resume", arguments: [nil, 0, 1, 2, 3, 9])
    func resume(step: Int?) throws {
        let folder = try TemporaryFolder()
        let lines = [0, 1, 2, 2, 3].map { "{\"step\":\($0),\"loss\":0.5}\n" }
        try folder.write(Array((lines.joined() + "{\"step\":3,\"lo").utf8), to: "m")
        #expect(try MetricsHistory(path: folder.file("m")).records.map(\.step) == [0, 1, 2, 2, 3])
        let log = try MetricsLog(path: folder.file("m"), resumingAt: step)
        let kept = [0, 1, 2, 2, 3].filter { $0 <= step ?? -1 }
        #expect(try text(folder) == lines.prefix(kept.count).joined())
        let next = step.map { $0 + 1 } ?? 0
        try log.append(step: next, ["loss": 1])
        #expect(try MetricsHistory(path: folder.file("m")).records.map(\.step) == kept + [next])
    }

    @Test("that end in zeros, as after a power cut, are cut there")
    func zeros() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("{\"step\":1}\n".utf8) + [UInt8](repeating: 0, count: 50), to: "m")
        _ = try MetricsLog(path: folder.file("m"), resumingAt: 5)
        #expect(try text(folder) == "{\"step\":1}\n")
    }

    @Test(
        "with a line that is none name the line",
        arguments: ["nonsense", "{}", "[1]", "{\"step\":-1}", "{\"step\":1,\"loss\":\"a\"}", ""])
    func malformed(line: String) throws {
        let folder = try TemporaryFolder()
        let start = "{\"step\":1}\n"
        try folder.write(Array((start + line + "\n" + start).utf8), to: "m")
        for read in [
            { _ = try MetricsHistory(path: folder.file("m")) },
            { _ = try MetricsLog(path: folder.file("m"), resumingAt: 9) },
        ] {
            let error = try #require(throws: CheckpointError.self) { try read() }
            #expect(error.code == .malformed && error.subject == "line 2" && error.offset == start.count)
        }
        #expect(try text(folder) == start + line + "\n" + start)
    }

    @Test("that were never written are none")
    func absent() throws {
        let folder = try TemporaryFolder()
        #expect(try MetricsHistory(path: folder.file("m")).records == [])
    }
}
