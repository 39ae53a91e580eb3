import NibbleCheckpoint
import NibbleTestSupport
import Testing

/// What people point at instead of a checkpoint: the message says what is there, and what to do.
@Suite("A folder that is no checkpoint")
struct FolderDiagnosisTests {
    private static let adapter = #"{"peft_type": "LORA", "base_model_name_or_path": "org/base"}"#

    /// Name, files with their text, what the message must say.
    static let folders: [(String, [(String, String)], [String])] = [
        ("empty", [], ["is empty"]),
        (
            "adapter", [("adapter_config.json", adapter), ("adapter_model.safetensors", "x")],
            ["adapter_config.json", "not a whole model", "org/base", "merge_and_unload"]
        ),
        (
            "models--org--name", [("refs/main", "0123\n"), ("snapshots/0123/config.json", "{}")],
            ["hub's cache", "name FOLDER/snapshots/0123"]
        ),
        ("models--org--none", [("refs/main", "0123"), ("snapshots/.x", "")], ["hub's cache"]),
        ("gguf", [("m-q4_0.gguf", "GGUF")], ["holds m-q4_0.gguf", "name that file: FOLDER/m-q4_0.gguf"]),
        (
            "two-gguf", [("a.mmproj.gguf", "GGUF"), ("m.gguf", "GGUF")],
            ["a.mmproj.gguf, m.gguf", "such as FOLDER/m.gguf"]
        ),
        (
            "meta", [("params.json", "{}"), ("consolidated.00.pth", "x")],
            ["form in which the makers publish"]
        ),
        (
            "training", [("checkpoint-5/config.json", "{}"), ("trainer.log", "x")],
            ["checkpoint-5", "name FOLDER/checkpoint-5"]
        ),
        ("weights", [("model.safetensors", "x")], ["has model.safetensors, but no config.json"]),
        ("other", [("notes.txt", "x")], ["has no config.json; there: notes.txt"]),
        // With a configuration, but no weights under the usual names.
        (
            "bin", [("config.json", configuration), ("pytorch_model.bin", "x")],
            ["pytorch_model.bin", "save_pretrained"]
        ),
        (
            "variant", [("config.json", configuration), ("model.fp16.safetensors", "x")],
            ["model.fp16.safetensors", "name that file: FOLDER/model.fp16.safetensors"]
        ),
        (
            "consolidated", [("config.json", configuration), ("consolidated.safetensors", "x")],
            ["consolidated.safetensors", "names of their maker's"]
        ),
        (
            "shard-missing",
            [
                ("config.json", configuration), ("model-00001-of-00003.safetensors", "x"),
                ("model-00003-of-00003.safetensors", "x"),
            ], ["has 2 of 3 shards; missing: model-00002-of-00003.safetensors"]
        ),
        (
            "variant-index",
            [("config.json", configuration), ("model.safetensors.index.fp16.json", "{}")],
            ["name that file: FOLDER/model.safetensors.index.fp16.json"]
        ),
        (
            "nothing", [("config.json", configuration)],
            ["has a config.json, but no weights: model.safetensors"]
        ),
    ]

    private static let configuration = """
        {"architectures": ["LlamaForCausalLM"], "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64,
         "num_attention_heads": 4, "vocab_size": 100}
        """

    @Test("The message fits", arguments: folders)
    func message(name: String, files: [(String, String)], parts: [String]) throws {
        let folder = try TemporaryFolder()
        let path = folder.file(name)
        try folder.makeFolder(name)
        for (file, text) in files {
            if let slash = file.lastIndex(of: "/") { try folder.makeFolder("\(name)/\(file[..<slash])") }
            try folder.write(text.utf8, to: "\(name)/\(file)")
        }
        let error = try #require(
            #expect(throws: CheckpointError.self) { _ = try ModelCheckpoint(path: path) })
        #expect(error.code == .missing && error.path.hasPrefix(path), "\(error)")
        for part in parts {
            let expected = String(part.replacing("FOLDER", with: path))
            #expect(error.description.contains(expected), "\(error)")
        }
    }

    @Test(
        "A pointer of git-lfs is told as one, whatever should be in its place",
        arguments: [
            "model.safetensors", "tokenizer.model", "model.safetensors.index.json", "tokenizer.json",
            "m.gguf",
        ])
    func pointer(name: String) throws {
        let folder = try HubFolder("llama2-spm")
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0007\nsize 278000\n"
        try folder.write(pointer, to: name)
        let path = name == "m.gguf" ? folder.file(name) : folder.path
        let error = try #require(
            #expect(throws: CheckpointError.self) {
                switch try ModelCheckpoint(path: path).source {
                case .hub(let description): _ = try description.vocabulary()
                case .gguf, .sbs: break
                }
            })
        #expect(error.path == folder.file(name))
        #expect(error.problem == "is a pointer of git-lfs to a file of 278 kB that was not downloaded")
    }

    @Test("A file of a folder that is no weights names the folder")
    func otherFile() throws {
        let path = Fixtures.path("hub/llama3/tokenizer.json")
        let error = try #require(
            #expect(throws: CheckpointError.self) { _ = try ModelCheckpoint(path: path) })
        #expect(
            error.path == path
                && error.description.contains("name the folder, \(Fixtures.path("hub/llama3"))"))
    }
}
