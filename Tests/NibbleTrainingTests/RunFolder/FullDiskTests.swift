import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("A disk that is full")
struct FullDiskTests {
    @Test("is noticed before anything is written where the state cannot fit")
    func noSpace() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try RunSample.save(run, step: 1)
        // Address space without memory behind it: nobody has a disk of 64 TiB free.
        let size = 64 << 40
        let address = try #require(
            mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
        try #require(address != MAP_FAILED)
        defer { munmap(address, size) }
        let tensor = SavedTensor(
            name: "weights", shape: [size / 4], element: .f32,
            bytes: UnsafeRawBufferPointer(start: address, count: size))
        let error = try #require(throws: CheckpointError.self) { try run.save(step: 2, tensors: [tensor]) }
        #expect(error.code == .inputOutput)
        #expect(error.path == run.checkpointPath(2) && error.problem.hasPrefix("needs "))
        #expect(try RunSample.isExact(#require(try RunSample.latest(run).checkpoint)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: run.checkpointsPath).count == 1)
    }

    @Test("in the middle of a save leaves the one before and no file of its own")
    func middle() async throws {
        let folder = try TemporaryFolder()
        do { _ = try RunSample.create(folder.path) }
        await #expect(processExitsWith: .success) { [path = folder.path as String] in
            let count = 9 << 20
            let run = try RunFolder.open(path: path)
            try RunSample.save(run, step: 1, count: count)
            // From here on the system refuses to write beyond 1 MiB of a file.
            run.onWrite = { _ in FileSizeLimit.set(1 << 20) }
            do {
                try RunSample.save(run, step: 2, count: count)
                preconditionFailure("the save succeeded")
            } catch let error as CheckpointError {
                precondition(error.code == .inputOutput, "\(error)")
                precondition(error.path == run.checkpointPath(2), "\(error)")
                precondition(error.problem.hasPrefix("cannot write: "), "\(error)")
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: run.checkpointsPath)
            precondition(names == ["step-00000001.safetensors"], "\(names)")
        }
        let run = try RunFolder.open(path: folder.path)
        #expect(try RunSample.isExact(#require(try RunSample.latest(run).checkpoint), count: 9 << 20))
    }

    @Test("leaves no half of a line in metrics")
    func metrics() async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .success) { [path = folder.file("metrics.jsonl") as String] in
            let log = try MetricsLog(path: path, resumingAt: nil)
            try log.append(step: 1, ["loss": 0.5])
            FileSizeLimit.set(30)
            do {
                try log.append(step: 2, ["loss": 0.25])
                preconditionFailure("the line was written")
            } catch let error as CheckpointError {
                precondition(error.code == .inputOutput, "\(error)")
            }
        }
        #expect(try contents(folder.file("metrics.jsonl")) == Array("{\"step\":1,\"loss\":0.5}\n".utf8))
    }
}
