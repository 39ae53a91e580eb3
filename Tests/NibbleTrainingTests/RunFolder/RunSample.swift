import NibbleTestSupport

@testable import NibbleTraining

/// Runs and states for the tests.
enum RunSample {
    static let identity = RunIdentity(
        teacherPath: "teacher.gguf", teacherDigest: "t1", textDigest: "x1", recipeDigest: "r1",
        totalSteps: 200, nibbleVersion: "0.3.0", created: "2026-11-24T18:37:37.125Z")

    static func create(_ path: String) throws -> RunFolder {
        try RunFolder.create(path: path, identity: identity, recipeYAML: "train:\n  steps: 200\n")
    }

    /// `count` bytes that depend on the step.
    static func bytes(step: Int, count: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(step))
        return (0..<count / 8).flatMap { _ in
            withUnsafeBytes(of: generator.next().littleEndian) { Array($0) }
        }
    }

    /// Saves a tensor of `count` bytes, a multiple of 8, and three small ones.
    static func save(_ folder: RunFolder, step: Int, count: Int = 1 << 10) throws {
        let bytes = bytes(step: step, count: count)
        try bytes.withUnsafeBytes { all in
            func tensor(_ name: String, _ shape: [Int], _ element: SavedTensor.Element) -> SavedTensor {
                let size = shape.reduce(element.byteCount, *)
                return SavedTensor(
                    name: name, shape: shape, element: element,
                    bytes: UnsafeRawBufferPointer(rebasing: all[0..<size]))
            }
            try folder.save(
                step: step,
                tensors: [
                    tensor("flags", [3], .u8), tensor("tokens", [2], .i32),
                    tensor("weights", [count / 4], .f32), tensor("generator", [], .u64),
                ],
                metadata: ["note": "step \(step)"])
        }
    }

    /// Whether `checkpoint` is what ``save(_:step:count:)`` saved for its step.
    static func isExact(_ checkpoint: SavedCheckpoint, count: Int = 1 << 10) -> Bool {
        defer { withExtendedLifetime(checkpoint) {} }
        let bytes = bytes(step: checkpoint.step, count: count)
        let sizes = ["generator": 8, "weights": count, "tokens": 8, "flags": 3]
        return checkpoint.tensors.map(\.name) == ["generator", "tokens", "weights", "flags"]
            && checkpoint.metadata == ["note": "step \(checkpoint.step)"]
            && checkpoint.tensors.allSatisfy { $0.bytes.elementsEqual(bytes.prefix(sizes[$0.name] ?? -1)) }
    }

    /// The newest checkpoint and the warnings about newer ones.
    static func latest(_ folder: RunFolder) throws -> (checkpoint: SavedCheckpoint?, warnings: [String]) {
        var warnings: [String] = []
        let checkpoint = try folder.latest { warnings.append($0) }
        return (checkpoint, warnings)
    }
}
