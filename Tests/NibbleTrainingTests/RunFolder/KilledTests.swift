import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

/// Saves in a child process that is killed, and what the next process finds.
@Suite("A process that is killed while it saves", .serialized)
struct KilledTests {
    /// Bytes of a state: small enough that a killed process has saved several.
    static let count = 1 << 20

    /// Saves steps 1, 2, 3, ... and says in a file what it began and what it ended.
    static func saveForever(_ path: String, killing: @escaping (_ step: Int, _ bytes: Int) -> Void) throws {
        let run = try RunFolder.open(path: path)
        let log = try RunLog(path: run.logPath)
        let metrics = try MetricsLog(path: run.metricsPath, resumingAt: nil)
        var step = 1
        run.onWrite = { killing(step, $0) }
        while true {
            try metrics.append(step: step, ["loss": 1 / Double(step)])
            try log.write("begin \(step)")
            try RunSample.save(run, step: step, count: count)
            try log.write("end \(step)")
            step += 1
        }
    }

    /// Opens the folder and checks that what is found is one of the last two saves.
    static func check(_ path: String) throws -> (begun: Int, found: Int) {
        let lines = String(decoding: try contents(path + "/log.txt"), as: UTF8.self).split(separator: "\n")
        func last(_ word: String) -> Int {
            lines.compactMap { line in
                let words = line.split(separator: " ")
                return words.count == 3 && words[1] == word ? Int(words[2]) : nil
            }.max() ?? 0
        }
        let (begun, ended) = (last("begin"), last("end"))
        let run = try RunFolder.open(path: path)
        let names = try FileManager.default.contentsOfDirectory(atPath: run.checkpointsPath)
        #expect(!names.contains { $0.hasPrefix(".") }, "\(names)")
        let (checkpoint, warnings) = try RunSample.latest(run)
        #expect(warnings == [])
        let found = checkpoint?.step ?? 0
        #expect(found == ended || found == begun, "found \(found), begun \(begun), ended \(ended)")
        #expect(try found == 0 || RunSample.isExact(#require(checkpoint), count: count))
        let metrics = try MetricsLog(path: run.metricsPath, resumingAt: checkpoint?.step)
        #expect(
            try MetricsHistory(path: run.metricsPath).records.map(\.step) == Array((0...found).dropFirst()))
        withExtendedLifetime(metrics) {}
        return (begun, found)
    }

    @Test("at any time leaves one of its last two saves, bit for bit")
    func anyTime() async throws {
        var generator = SeededGenerator(seed: 5)
        var (saved, cut) = (0, 0)
        for _ in 0..<24 {
            let folder = try TemporaryFolder()
            do { _ = try RunSample.create(folder.path) }
            let microseconds = UInt32(1_000 + generator.next() % 150_000)
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = folder.path as String, microseconds = microseconds as UInt32] in
                Thread.detachNewThread {
                    usleep(microseconds)
                    kill(getpid(), SIGKILL)
                }
                try KilledTests.saveForever(path) { _, _ in }
            }
            guard FileManager.default.fileExists(atPath: folder.file("log.txt")) else { continue }
            let (begun, found) = try Self.check(folder.path)
            if found > 0 { saved += 1 }
            if begun > found { cut += 1 }
        }
        // Otherwise the times are wrong for the machine and the test says nothing.
        #expect(saved > 0 && cut > 0, "\(saved) times something was saved, \(cut) times a save was cut short")
    }

    @Test("after any part of a file leaves the save before", arguments: [1, 2, 3])
    func anyPart(step: Int) async throws {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = folder.path as String, step = step as Int] in
            try KilledTests.saveForever(path) { now, bytes in
                if now == step, bytes > KilledTests.count / 2 { kill(getpid(), SIGKILL) }
            }
        }
        #expect(try !RunStatus(path: folder.path).isRunning)
        #expect(try Self.check(folder.path) == (begun: step, found: step - 1))
    }
}
