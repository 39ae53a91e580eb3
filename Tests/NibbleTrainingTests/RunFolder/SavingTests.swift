import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleTraining

@Suite("Saving a training state")
struct SavingTests {
    @Test("gives it back to the bit, aligned", arguments: [8, 4096, 9 << 20])
    func roundTrip(count: Int) throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try RunSample.save(run, step: 100, count: count)
        #expect(run.savedSteps == [100])
        #expect(try folder.names == ["checkpoints", "lock", "recipe.yaml", "run.json"])
        let (checkpoint, warnings) = try RunSample.latest(run)
        let latest = try #require(checkpoint)
        #expect(warnings == [])
        #expect(latest.path == folder.file("checkpoints/step-00000100.safetensors"))
        #expect(RunSample.isExact(latest, count: count))
        for tensor in latest.tensors {
            let address = Int(bitPattern: tensor.bytes.baseAddress)
            #expect(address.isMultiple(of: tensor.element.byteCount), "\(tensor.name)")
        }
        var tokens = [Int32](repeating: 0, count: 2)
        try tokens.withUnsafeMutableBytes {
            try latest.copy("tokens", shape: [2], element: .i32, into: $0)
            #expect($0.elementsEqual(RunSample.bytes(step: 100, count: 8)))
        }
    }

    @Test("of no tensors gives no tensors")
    func empty() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try run.save(step: 0, tensors: [])
        let latest = try #require(try RunSample.latest(run).checkpoint)
        #expect(latest.step == 0 && latest.tensors.isEmpty && latest.metadata.isEmpty)
    }

    @Test("makes a file whose other tensors, or tensors of other shape, are errors")
    func wrongTensor() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try RunSample.save(run, step: 1)
        let latest = try #require(try RunSample.latest(run).checkpoint)
        var room = [UInt8](repeating: 0, count: 12)
        let codes = try [("absent", [3]), ("flags", [12])].map { name, shape in
            try #require(throws: CheckpointError.self) {
                try room.withUnsafeMutableBytes {
                    try latest.copy(name, shape: shape, element: .u8, into: $0)
                }
            }.code
        }
        #expect(codes == [.missing, .inconsistent])
    }

    @Test("keeps the newest and the best")
    func retention() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        for step in [10, 20, 30] { try RunSample.save(run, step: step) }
        #expect(run.savedSteps == [20, 30])
        #expect(try run.best == nil)
        try run.markBest(step: 20, value: 0.1)
        for step in [40, 50] { try RunSample.save(run, step: step) }
        #expect(run.savedSteps == [20, 40, 50])
        #expect(try run.best == BestCheckpoint(step: 20, value: 0.1))
        try run.markBest(step: 50, value: 0.05)
        run.kept = 1
        try RunSample.save(run, step: 60)
        #expect(run.savedSteps == [50, 60])
        try RunSample.save(run, step: 70)
        #expect(run.savedSteps == [50, 70])
        let error = try #require(throws: CheckpointError.self) { try run.markBest(step: 60, value: 0) }
        #expect(error.code == .missing)
        #expect(try run.best?.step == 50)
    }

    @Test("replaces the checkpoint of the same step")
    func again() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try run.save(step: 10, tensors: [])
        try RunSample.save(run, step: 10)
        #expect(try RunSample.isExact(#require(try RunSample.latest(run).checkpoint)))
    }

    /// Damage to a checkpoint file: what becomes of its bytes.
    enum Damage: String, CaseIterable {
        case emptied, cutHeader, cutData, longer, flippedData, flippedName, flippedNote, flippedChecksum

        func apply(_ bytes: inout [UInt8]) throws {
            func flip(after text: String) throws {
                bytes[try #require(Data(bytes).firstRange(of: Data(text.utf8))).upperBound] ^= 1
            }
            switch self {
            case .emptied: bytes = []
            case .cutHeader: bytes.removeLast(bytes.count - 20)
            case .cutData: bytes.removeLast()
            case .longer: bytes.append(0)
            case .flippedData: bytes[bytes.count - 500] ^= 0x10
            case .flippedName: try flip(after: "weight")
            case .flippedNote: try flip(after: "step ")
            case .flippedChecksum: try flip(after: "nibble.xxh64\":\"")
            }
        }
    }

    @Test(
        "goes back to the one before, with a warning, when the newest is damaged", arguments: Damage.allCases)
    func damaged(damage: Damage) throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try RunSample.save(run, step: 2)
        try RunSample.save(run, step: 3)
        let path = run.checkpointPath(3)
        var bytes = try contents(path)
        try damage.apply(&bytes)
        try folder.write(bytes, to: "checkpoints/step-00000003.safetensors")
        let (checkpoint, warnings) = try RunSample.latest(run)
        #expect(checkpoint?.step == 2)
        #expect(try RunSample.isExact(#require(checkpoint)))
        #expect(warnings.count == 1 && warnings[0].contains(path))
        // What comes next neither counts nor removes the damaged one, and then replaces it.
        run.kept = 1
        try RunSample.save(run, step: 2)
        #expect(run.savedSteps == [2, 3])
        try RunSample.save(run, step: 3)
        #expect(try RunSample.latest(run).warnings == [])
    }

    @Test("ends in an error when all are damaged")
    func allDamaged() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        for name in ["step-00000001.safetensors", "step-00000002.safetensors"] {
            try folder.write([1, 2, 3], to: "checkpoints/" + name)
        }
        var warnings = 0
        let error = try #require(throws: CheckpointError.self) { _ = try run.latest { _ in warnings += 1 } }
        #expect(error.path == run.checkpointPath(2) && error.code == .truncated)
        #expect(warnings == 2)
    }

    @Test("refuses a file under the name of another step")
    func renamed() throws {
        let folder = try TemporaryFolder()
        let run = try RunSample.create(folder.path)
        try RunSample.save(run, step: 1)
        try FileManager.default.moveItem(atPath: run.checkpointPath(1), toPath: run.checkpointPath(2))
        let error = try #require(throws: CheckpointError.self) { _ = try RunSample.latest(run) }
        #expect(error.code == .inconsistent)
    }

    @Test("traps where a tensor's bytes are not those of its shape")
    func wrongSize() async {
        await #expect(processExitsWith: .failure) {
            [UInt8](repeating: 0, count: 7).withUnsafeBytes {
                _ = SavedTensor(name: "a", shape: [2], element: .f32, bytes: $0)
            }
        }
    }
}
