import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleCalibration
@testable import NibbleTraining

@Suite("Calibration that is interrupted")
struct CalibrationScratchTests {
    private static let sequences = CalibrationSample.sequences(3, length: 40)

    private static var options: CalibrationOptions { CalibrationOptions() }

    /// The blocks of a calibration that was not interrupted, and how often it could have been.
    private static func whole() throws -> (blocks: [[UInt8]], result: CalibrationResult, chances: Int) {
        let student = try CalibrationSample.student()
        var chances = 0
        let result = try CalibrationSample.calibrate(
            student, sequences, options,
            isCancelled: {
                chances += 1
                return false
            })
        return (student.matrices.map { Array($0.blocks) }, result, chances)
    }

    /// Streams that were in memory are made again, and so are those that are to be in memory now.
    @Test(
        "goes on after what is done, to the same bytes, wherever it was stopped", arguments: [false, true],
        [(false, false), (true, false), (false, true), (true, true)])
    func resumes(observesAgain: Bool, holds: (before: Bool, after: Bool)) throws {
        let (blocks, result, chances) = try Self.whole()
        for stop in stride(from: 0, to: chances, by: max(1, chances / 3)) {
            let folder = try TemporaryFolder()
            let student = try CalibrationSample.student()
            var seen = 0
            #expect(throws: CheckpointError.self) {
                try CalibrationSample.calibrate(
                    student, Self.sequences, Self.options, in: folder,
                    plan: .init(observesAgain: observesAgain, holdsStreams: holds.before),
                    isCancelled: {
                        seen += 1
                        return seen > stop
                    })
            }
            var rest = 0
            let found = try CalibrationSample.calibrate(
                student, Self.sequences, Self.options, in: folder,
                plan: .init(observesAgain: observesAgain, holdsStreams: holds.after),
                isCancelled: {
                    rest += 1
                    return false
                })
            #expect(found == result)
            #expect(student.matrices.map { Array($0.blocks) } == blocks, "stopped at \(stop)")
            // At most a step is done twice.
            #expect(rest <= chances - stop + 40, "\(rest) pieces of work after \(stop) of \(chances)")
        }
    }

    @Test("removes what it put into its folder, and nothing else")
    func removal() throws {
        let folder = try TemporaryFolder()
        for stranger in [[], ["photo.jpg"]] {
            let path = folder.file("scratch")
            do {
                let scratch = try CalibrationScratch(path: path, identity: [])
                _ = try ScratchFile(path: scratch.file(.streams))
            }
            for name in stranger { try folder.write([1], to: "scratch/" + name) }
            CalibrationScratch.remove(path)
            #expect(FilePath.names(in: path) == stranger && FilePath.exists(path) == !stranger.isEmpty)
        }
    }

    @Test("does not count half a line of its journal")
    func tornJournal() throws {
        let (blocks, _, chances) = try Self.whole()
        let folder = try TemporaryFolder()
        let student = try CalibrationSample.student()
        var seen = 0
        #expect(throws: CheckpointError.self) {
            try CalibrationSample.calibrate(
                student, Self.sequences, Self.options, in: folder,
                isCancelled: {
                    seen += 1
                    return seen > chances * 3 / 4
                })
        }
        let journal = folder.file("scratch/journal.jsonl")
        let text = try contents(journal)
        try folder.write(text.dropLast(5), to: "scratch/journal.jsonl")
        try CalibrationSample.calibrate(student, Self.sequences, Self.options, in: folder)
        #expect(student.matrices.map { Array($0.blocks) } == blocks)
    }
}
