import NibbleCheckpoint
import NibbleNumerics
import NibbleTestSupport
import Testing

@Suite("Writing in place")
struct CheckpointWriterTests {
    private func layout(_ path: String) throws -> CheckpointLayout {
        try .gguf(
            path: path, metadata: GGUFMetadata(), tensors: [.init(name: "a", shape: [2], type: .f32)],
            splitSize: nil)
    }

    private func write(_ writer: CheckpointWriter, _ value: UInt8) throws {
        try [UInt8](repeating: value, count: 8).withUnsafeBytes {
            try writer.write($0, file: 0, offset: writer.layout.placements[0].offset)
        }
    }

    @Test("The output appears when committed, not before", arguments: [true, false])
    func commit(flush: Bool) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a.gguf")
        let writer = try CheckpointWriter(try layout(path), replacing: false)
        try write(writer, 1)
        #expect(!FilePath.exists(path))
        try writer.commit(flush: flush)
        #expect(try folder.names == ["a.gguf"])
        #expect(try contents(path).count == writer.layout.totalSize)
        #expect(throws: Never.self) { _ = try GGUFFile(path: path) }
    }

    @Test("Aborting leaves the old output and nothing else")
    func abort() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write([1, 2, 3], to: "a.gguf")
        let writer = try CheckpointWriter(try layout(path), replacing: true)
        try write(writer, 1)
        writer.abort()
        #expect(try folder.names == ["a.gguf"])
        #expect(try contents(path) == [1, 2, 3])
    }

    @Test("Dropping the writer aborts")
    func drop() throws {
        let folder = try TemporaryFolder()
        do {
            let writer = try CheckpointWriter(try layout(folder.file("a.gguf")), replacing: false)
            try write(writer, 1)
        }
        #expect(try folder.names.isEmpty)
    }

    @Test("An existing output is replaced only where allowed")
    func replacing() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write([1], to: "a.gguf")
        let error = #expect(throws: CheckpointError.self) {
            _ = try CheckpointWriter(try layout(path), replacing: false)
        }
        #expect(
            error?.code == .invalidRequest
                && "\(error.map(String.init(describing:)) ?? "")".contains("--force"))
        #expect(try contents(path) == [1])
        let writer = try CheckpointWriter(try layout(path), replacing: true)
        try write(writer, 1)
        try writer.commit(flush: false)
        #expect(throws: Never.self) { _ = try GGUFFile(path: path) }
    }

    @Test("A folder is replaced as a whole, and only if it is a hub folder")
    func folders() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("model")
        for (number, text) in ["{\"a\":1}", "{\"a\":2}"].enumerated() {
            let layout = try CheckpointLayout.hub(
                path: path, tensors: [.init(name: "a", shape: [2], type: .f32)],
                companions: [HubFile(name: "config.json", contents: Array(text.utf8))], splitSize: nil)
            let writer = try CheckpointWriter(layout, replacing: number == 1)
            try write(writer, 1)
            try writer.commit(flush: number == 1)
            #expect(try contents(path + "/config.json") == Array(text.utf8))
            #expect(try folder.names == ["model"])
            #expect(throws: Never.self) { _ = try SafetensorsCheckpoint(path: path) }
        }
        let photos = try TemporaryFolder()
        try photos.write([1], to: "photo.jpg")
        let layout = try CheckpointLayout.hub(path: photos.path, tensors: [], companions: [], splitSize: nil)
        #expect(throws: CheckpointError.self) { _ = try CheckpointWriter(layout, replacing: true) }
        #expect(try photos.names == ["photo.jpg"])
    }

    @Test("What a killed process left is removed by the next one")
    func leftovers() throws {
        let folder = try TemporaryFolder()
        // No process has this number: the kernel's limit is 2^22.
        try folder.write([1], to: ".a.gguf.partial-99999999")
        try folder.write([1], to: ".b.gguf.partial-99999999")
        let writer = try CheckpointWriter(try layout(folder.file("a.gguf")), replacing: false)
        writer.abort()
        #expect(try folder.names == [".b.gguf.partial-99999999"])
    }

    @Test("A folder that does not exist or is not writable is an error")
    func missingFolder() throws {
        let error = #expect(throws: CheckpointError.self) {
            _ = try CheckpointWriter(try layout("/nonexistent-folder/a.gguf"), replacing: false)
        }
        #expect(error?.code == .inputOutput)
    }

    @Test("More bytes than the disk has are refused before writing")
    func space() throws {
        let folder = try TemporaryFolder()
        let layout = try CheckpointLayout.gguf(
            path: folder.file("a.gguf"), metadata: GGUFMetadata(),
            tensors: [.init(name: "a", shape: [1 << 50], type: .f32)], splitSize: nil)
        let error = #expect(throws: CheckpointError.self) {
            _ = try CheckpointWriter(layout, replacing: false)
        }
        #expect("\(error.map(String.init(describing:)) ?? "")".contains("free"))
        #expect(try folder.names.isEmpty)
    }

    @Test("Shards are cut as llama-gguf-split cuts them and read back as one model")
    func split() throws {
        let folder = try TemporaryFolder()
        let tensors = (0..<5).map { CheckpointLayout.Tensor(name: "t\($0)", shape: [16], type: .f32) }
        var metadata = GGUFMetadata()
        metadata.set("general.name", .string("x"))
        let layout = try CheckpointLayout.gguf(
            path: folder.file("m.gguf"), metadata: metadata, tensors: tensors, splitSize: 128)
        #expect(layout.files.map(\.name) == (1...3).map { "m-0000\($0)-of-00003.gguf" })
        #expect(layout.placements.map(\.file) == [0, 0, 1, 1, 2])
        let writer = try CheckpointWriter(layout, replacing: false)
        try writer.commit(flush: false)
        let model = try GGUFCheckpoint(path: folder.file("m-00001-of-00003.gguf"))
        #expect(model.tensors.map(\.name) == tensors.map(\.name))
        #expect(model.metadata.keys == ["general.name"])
        let error = #expect(throws: CheckpointError.self) {
            _ = try GGUFCheckpoint(path: folder.file("m-00002-of-00003.gguf"))
        }
        #expect(error?.code == .invalidRequest)
    }
}
