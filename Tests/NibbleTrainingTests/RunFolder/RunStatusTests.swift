import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Status of a run")
struct RunStatusTests {
    @Test("tells of a run that has not logged anything")
    func fresh() throws {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        let status = try RunStatus(path: folder.path)
        #expect(status.identity == RunSample.identity)
        #expect(status.step == 0 && status.loss == nil && status.heldOut == [] && status.best == nil)
        #expect(status.checkpoints == [] && !status.isRunning)
        let bytes = try ["lock", "recipe.yaml", "run.json"].reduce(0) {
            try $0 + contents(folder.file($1)).count
        }
        #expect(status.byteCount == bytes)
    }

    @Test("is read while a process trains")
    func running() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        let metrics = try MetricsLog(path: run.metricsPath, resumingAt: nil)
        try metrics.append(step: 0, [MetricName.heldOutLoss: 2])
        try metrics.append(step: 1, [MetricName.loss: 1.5])
        try metrics.append(step: 2, [MetricName.loss: 1.25, "rate": 1e-5])
        try metrics.append(step: 2, [MetricName.heldOutLoss: 1])
        try RunSample.save(run, step: 1)
        try RunSample.save(run, step: 2)
        try run.markBest(step: 2, value: 1)
        // Half a line, as a process that is writing may show.
        let file = try #require(FileHandle(forWritingAtPath: run.metricsPath))
        file.seekToEndOfFile()
        file.write(Data("{\"step\":3,".utf8))
        try file.close()
        let before = try folder.names

        let status = try RunStatus(path: folder.path)
        #expect(status.isRunning)
        #expect(status.step == 2 && status.identity.totalSteps == 200)
        #expect(status.loss?.step == 2 && status.loss?.value == 1.25)
        #expect(status.heldOut.map(\.step) == [0, 2] && status.heldOut.map(\.value) == [2, 1])
        #expect(status.best == BestCheckpoint(step: 2, value: 1))
        let sizes = try [1, 2].map { try contents(run.checkpointPath($0)).count }
        #expect(status.checkpoints.map(\.step) == [1, 2] && status.checkpoints.map(\.byteCount) == sizes)
        #expect(status.byteCount > sizes[0] + sizes[1])
        #expect(try folder.names == before)
        withExtendedLifetime(run) {}
    }

    @Test("of a folder without a run is an error")
    func none() throws {
        let folder = try TemporaryFolder()
        let error = try #require(throws: TrainingError.self) { _ = try RunStatus(path: folder.path) }
        #expect(error.code == .mismatch && error.problem == "holds no run (it has no run.json)")
    }

    @Test("names a marker that is damaged")
    func damagedMarker() throws {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        try folder.write(Array("{\"step\": -1}".utf8), to: "checkpoints/best.json")
        let error = try #require(throws: CheckpointError.self) { _ = try RunStatus(path: folder.path) }
        #expect(error.code == .malformed && error.path == folder.file("checkpoints/best.json"))
    }
}
