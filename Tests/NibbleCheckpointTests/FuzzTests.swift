import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

/// Mutated headers: whatever the bytes, a reader gives a typed error or a checkpoint that lies within its file.
@Suite("Mutated headers")
struct FuzzTests {
    private static let mutations = 2500

    @Test("GGUF readers survive", arguments: ["gemma3-text", "llama3"])
    func gguf(name: String) throws {
        let original = try contents(Fixtures.path("hub/\(name).expected.gguf"))
        let header = try GGUFFile(path: Fixtures.path("hub/\(name).expected.gguf")).tensors[0].range
            .lowerBound
        try mutate(original, header: header, file: "model.gguf", seed: 1) { path throws(CheckpointError) in
            let checkpoint = try GGUFCheckpoint(path: path)
            for key in checkpoint.metadata.keys {
                do throws(CheckpointError) { _ = try checkpoint.metadata.value(key) } catch {}
            }
            let model = try ModelCheckpoint(path: path)
            return model.tensors.map(\.entry)
        }
    }

    @Test("safetensors readers survive", arguments: ["qwen3", "llama2-spm"])
    func safetensors(name: String) throws {
        let original = try contents(Fixtures.path("hub/\(name)/model.safetensors"))
        let file = try SafetensorsFile(path: Fixtures.path("hub/\(name)/model.safetensors"))
        let header = try #require(file.tensors.first).range.lowerBound
        try mutate(original, header: header, file: "model.safetensors", seed: 2) {
            path throws(CheckpointError) in
            try SafetensorsFile(path: path).tensors
        }
    }

    /// Overwrites, inserts, removes and truncates at places drawn from a seed; places near the start, where
    /// the counts stand, are drawn more often.
    private func mutate(
        _ original: [UInt8], header: Int, file: String, seed: UInt64,
        read: (String) throws(CheckpointError) -> [TensorEntry]
    ) throws {
        let folder = try TemporaryFolder()
        var generator = SeededGenerator(seed: seed)
        var accepted = 0
        var refused = 0
        // Long vocabularies make every reading slow and no different.
        for _ in 0..<Self.mutations {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                change(&bytes, header: header, &generator)
            }
            let path = try folder.write(bytes, to: file)
            do {
                let tensors = try read(path)
                accepted += 1
                for tensor in tensors {
                    #expect(tensor.range.upperBound <= bytes.count)
                    #expect(tensor.type.byteCount(elements: tensor.elementCount) == tensor.range.count)
                }
            } catch {
                refused += 1
                #expect(!"\(error)".isEmpty)
            }
        }
        #expect(accepted + refused == Self.mutations)
        #expect(refused > Self.mutations / 4)
    }

    private func change(_ bytes: inout [UInt8], header: Int, _ generator: inout SeededGenerator) {
        let limit = min(header, bytes.count)
        guard limit > 1 else { return }
        let near = Bool.random(using: &generator) ? min(limit, 64) : limit
        let place = Int.random(in: 0..<near, using: &generator)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        case 2:
            // Extreme numbers where a count or an offset may stand.
            let value: UInt64 = [0, .max, 1 << 63, 1 << 31, 1 << 40].randomElement(using: &generator) ?? 0
            for index in 0..<8 where place + index < bytes.count {
                bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            }
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        case 4: bytes.remove(at: place)
        default: bytes.removeSubrange(place...)
        }
    }
}
