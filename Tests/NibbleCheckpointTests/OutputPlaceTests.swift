import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("The place of an output")
struct OutputPlaceTests {
    private func problem(_ path: String, replacing: Bool = false) -> String? {
        do throws(CheckpointError) {
            try OutputPlace(path: path, isFolder: !path.hasSuffix(".gguf")).check(replacing: replacing)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static let checkpoint = [
        "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json", "tokenizer.json", "README.md",
    ]

    @Test("A new place, and an empty folder, may always be written")
    func free() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("empty")
        #expect(problem(folder.file("new.gguf")) == nil)
        #expect(problem(folder.file("new")) == nil)
        #expect(problem(folder.file("empty")) == nil)
    }

    @Test("A checkpoint is replaced where that is asked for")
    func replaced() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("hub")
        for name in Self.checkpoint { try folder.write([1], to: "hub/\(name)") }
        try folder.write([1], to: "a.gguf")
        for name in ["hub", "a.gguf"] {
            #expect(problem(folder.file(name))?.contains("--force") == true)
            #expect(problem(folder.file(name), replacing: true) == nil)
        }
    }

    @Test(
        "What is not part of a checkpoint is never removed, and named",
        arguments: [
            ".git", "checkpoint-500", "training_args.bin", "optimizer.pt", "photo.jpg",
            "model.fp16.safetensors",
            "pytorch_model.bin", "model-00001-of-00002.bin", "model.gguf",
        ])
    func others(name: String) throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("hub")
        for file in Self.checkpoint + [name] { try folder.write([1], to: "hub/\(file)") }
        for replacing in [false, true] {
            let found = try #require(problem(folder.file("hub"), replacing: replacing))
            #expect(found.contains("holds what is not part of a checkpoint: \(name)"), "\(found)")
            #expect(!found.contains("--force"))
        }
    }

    @Test("A folder is not removed for its name")
    func folders() throws {
        let folder = try TemporaryFolder()
        for (name, inner) in [("README.md", "notes.txt"), ("additional_chat_templates", "notes.txt")] {
            try folder.makeFolder("hub-\(name)/\(name)")
            try folder.write([1], to: "hub-\(name)/config.json")
            try folder.write([1], to: "hub-\(name)/\(name)/\(inner)")
            let found = try #require(problem(folder.file("hub-\(name)"), replacing: true))
            #expect(found.contains("not part of a checkpoint: \(name)"), "\(found)")
        }
        try folder.makeFolder("hub/additional_chat_templates")
        try folder.write([1], to: "hub/additional_chat_templates/tools.jinja")
        #expect(problem(folder.file("hub"), replacing: true) == nil)
    }

    @Test("A file is no folder, a folder no file, a device neither, and --force is no advice for it")
    func kinds() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("a.gguf")
        try folder.write([1], to: "hub")
        try folder.link("null.gguf", to: "/dev/null")
        for (name, part) in [("a.gguf", "is a folder"), ("hub", "is a file"), ("null.gguf", "is a device")] {
            for replacing in [false, true] {
                let found = try #require(problem(folder.file(name), replacing: replacing))
                #expect(found.contains(part) && !found.contains("--force"), "\(found)")
            }
        }
    }

    @Test("A path that names nothing is an error before any work", arguments: ["", "-"])
    func names(path: String) throws {
        #expect(try #require(problem(path)).hasPrefix("output: "))
    }

    @Test("So is one in a folder that is not there")
    func parents() throws {
        #expect(
            try #require(problem("/nowhere/at/all.gguf")) == "/nowhere/at: no such folder; create it first")
    }
}
