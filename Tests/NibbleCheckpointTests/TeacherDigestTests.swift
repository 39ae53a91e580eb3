import Foundation
import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("The digest of a teacher")
struct TeacherDigestTests {
    private let folder: TemporaryFolder
    private let model: ModelCheckpoint

    init() throws {
        folder = try TemporaryFolder()
        model = try ModelCheckpoint(path: Fixtures.path("hub/llama3.expected.gguf"))
    }

    /// Writes the tensors of the model in the order of `entries`, bytes changed by `change`.
    private func write(
        _ entries: [TensorEntry], splitSize: Int? = nil, change: (inout [UInt8], String) -> Void = { _, _ in }
    ) throws -> ModelCheckpoint {
        guard case .gguf(let metadata) = model.source else { preconditionFailure("\(model.path) is no GGUF") }
        let layout = try CheckpointLayout.gguf(
            path: folder.file("out.gguf"), metadata: metadata,
            tensors: entries.map { .init(name: $0.name, shape: $0.shape, type: $0.type) },
            splitSize: splitSize)
        let writer = try CheckpointWriter(layout, replacing: true)
        for (index, entry) in entries.enumerated() {
            var bytes = Array(entry.bytes)
            change(&bytes, entry.name)
            let place = layout.placements[index]
            try bytes.withUnsafeBytes { try writer.write($0, file: place.file, offset: place.offset) }
        }
        try writer.commit(flush: false)
        return try ModelCheckpoint(path: FilePath.join(layout.folder, layout.files[0].name))
    }

    @Test("Equals the formula that its documentation states")
    func formula() throws {
        func number(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt64(value).littleEndian) { Array($0) } }
        var message: [UInt8] = []
        let entries = model.tensors.map(\.entry).sorted {
            $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
        for entry in entries {
            message += number(entry.name.utf8.count) + Array(entry.name.utf8)
            message += number(entry.type.description.utf8.count) + Array(entry.type.description.utf8)
            message += number(entry.shape.count) + entry.shape.flatMap(number) + number(entry.range.count)
            // All tensors of the fixture are smaller than a piece.
            try #require(entry.range.count < 1 << 22)
            let digest = SHA256.hex(entry.bytes)
            message += stride(from: 0, to: 64, by: 2).compactMap {
                UInt8(digest.dropFirst($0).prefix(2), radix: 16)
            }
        }
        #expect("\(TeacherDigest(model, threads: 2))" == SHA256.hex(message))
    }

    @Test("Does not depend on files, the order of tensors, or threads")
    func independence() throws {
        let expected = TeacherDigest(model, threads: 1)
        let entries = model.tensors.map(\.entry)
        #expect(TeacherDigest(model, threads: 5) == expected)
        #expect(TeacherDigest(try write(entries.reversed()), threads: 2) == expected)
        #expect(TeacherDigest(try write(entries, splitSize: 40_000), threads: 2) == expected)
    }

    @Test("Changes with any bit of any tensor, and with the form of the checkpoint")
    func sensitivity() throws {
        let expected = TeacherDigest(model, threads: 2)
        for name in ["blk.1.ffn_up.weight", "output_norm.weight"] {
            let changed = try write(model.tensors.map(\.entry)) { bytes, tensor in
                if tensor == name { bytes[bytes.count - 2] ^= 1 }
            }
            #expect(TeacherDigest(changed, threads: 2) != expected, "\(name)")
        }
        let hub = try ModelCheckpoint(path: Fixtures.path("hub/llama3"))
        #expect(TeacherDigest(hub, threads: 2) != expected)
    }

    @Test("Pieces of a large tensor count in order")
    func largeTensor() throws {
        // Two layers of the fixture enlarged would do; a norm cannot exceed a piece, so a sparse matrix is made.
        let path = folder.file("large.gguf")
        guard case .gguf(var metadata) = model.source else { preconditionFailure("\(model.path) is no GGUF") }
        metadata.set("llama.feed_forward_length", .uint32(32768))
        let tensors = model.tensors.map { tensor in
            CheckpointLayout.Tensor(
                name: tensor.entry.name, shape: tensor.entry.shape.map { $0 == 32 ? 32768 : $0 },
                type: tensor.entry.type)
        }
        let layout = try CheckpointLayout.gguf(
            path: path, metadata: metadata, tensors: tensors, splitSize: nil)
        let large = try #require(tensors.firstIndex { $0.byteCount > 1 << 23 })
        func digest(markAt place: Int) throws -> TeacherDigest {
            let writer = try CheckpointWriter(layout, replacing: true)
            for (index, tensor) in model.tensors.enumerated()
            where tensors[index].byteCount == tensor.entry.range.count {
                try writer.write(tensor.entry.bytes, file: 0, offset: layout.placements[index].offset)
            }
            try [UInt8(1)].withUnsafeBytes {
                try writer.write($0, file: 0, offset: layout.placements[large].offset + place)
            }
            try writer.commit(flush: false)
            return TeacherDigest(try ModelCheckpoint(path: path), threads: 2)
        }
        let digests = try [0, 1 << 22, 1 << 23 - 1].map { try digest(markAt: $0) }
        #expect(Set(digests).count == 3)
    }
}
