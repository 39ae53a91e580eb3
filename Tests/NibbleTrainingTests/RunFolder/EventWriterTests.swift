import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Events for TensorBoard")
struct EventWriterTests {
    private let time = UTCTime(seconds: 1_800_000_000, nanoseconds: 500_000_000)

    @Test("are records of length, message and checksums")
    func format() throws {
        let folder = try TemporaryFolder()
        let writer = try EventWriter(folder: folder.path, resumingAt: 7, at: time)
        try writer.append(step: 8, ["loss/train": 0.25, "rate": -1], at: time)
        try writer.append(step: 1 << 40, ["norm": .nan], at: time)
        #expect(FilePath.name(of: writer.path).hasPrefix("events.out.tfevents.1800000000."))
        let messages = try #require(try EventFile.messages(writer.path))
        try #require(messages.count == 4)
        #expect(messages.allSatisfy { $0[0].number == 1 && $0[0].bits == 1_800_000_000.5.bitPattern })
        #expect(messages.map { $0.first { $0.number == 2 }?.bits } == [nil, 8, 8, 1 << 40])
        #expect(messages[0].last?.number == 3 && messages[0].last?.bytes == Array("brain.Event:2".utf8))
        // A session log with status START.
        #expect(messages[1].last?.number == 7 && messages[1].last?.bytes == [0x08, 0x01])
        let values = try messages[2...].map { message in
            let summary = try #require(message.last)
            #expect(summary.number == 5)
            return try #require(EventFile.fields(summary.bytes)).map { value in
                try #require(EventFile.fields(value.bytes))
            }
        }
        #expect(
            values.map { $0.map { String(decoding: $0[0].bytes, as: UTF8.self) } } == [
                ["loss/train", "rate"], ["norm"],
            ])
        #expect(values[0].map { Float(bitPattern: UInt32($0[1].bits)) } == [0.25, -1])
        #expect(Float(bitPattern: UInt32(values[1][0][1].bits)).isNaN)
    }

    @Test("go to a file that sorts after those that are there, whatever the clock says")
    func order() throws {
        let folder = try TemporaryFolder()
        let paths = try [1_800_000_000, 1_800_000_000, 5, 1_900_000_000].map {
            try EventWriter(folder: folder.path, resumingAt: nil, at: UTCTime(seconds: $0)).path
        }
        #expect(paths == paths.sorted() && Set(paths).count == 4)
        #expect(paths[3].contains(".1900000000."))
    }

    @Test(
        "are what TensorBoard reads, without the steps that were taken again",
        .enabled(
            if: ReferencePython.path != nil, "\(ReferencePython.hint("tensorboard"))"))
    func tensorBoard() throws {
        let python = try #require(ReferencePython.path)
        let folder = try TemporaryFolder()
        var writer = try EventWriter(folder: folder.path, resumingAt: nil)
        for step in 1...5 { try writer.append(step: step, ["loss": 1 / Double(step), "rate": 0.5]) }
        // Killed after step 5, resumed from the checkpoint of step 3.
        writer = try EventWriter(folder: folder.path, resumingAt: 3)
        for step in 4...6 { try writer.append(step: step, ["loss": Double(-step)]) }
        let script = """
            import sys
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
            events = EventAccumulator(sys.argv[1])
            events.Reload()
            for tag in sorted(events.Tags()["scalars"]):
                print(tag, [(e.step, e.value) for e in events.Scalars(tag)])
            """
        let result = try RealModels.run(python, ["-c", script, folder.path])
        #expect(result.status == 0)
        #expect(
            result.output == """
                loss [(1, 1.0), (2, 0.5), (3, \(Double(Float(1.0 / 3)))), (4, -4.0), (5, -5.0), (6, -6.0)]
                rate [(1, 0.5), (2, 0.5), (3, 0.5)]

                """)
    }
}
