import Foundation
import NibbleNumerics
import NibbleTestSupport
import NibbleTokenizer
import Testing

@testable import NibbleCheckpoint
@testable import NibbleQuantization

/// What Ollama and LM Studio are given.
@Suite("Outputs for Ollama and LM Studio")
struct ConsumerTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func convert(
        _ input: String, to output: String, _ exporter: any CheckpointExporter,
        _ type: QuantizationType = .q4_0,
        replacing: Bool = false
    ) throws -> ConversionSummary {
        var request = ConversionRequest(
            input: input, output: output, exporter: exporter, plan: QuantizationPlan(type), threads: 2)
        request.replacesOutput = replacing
        return try Converter(request).run()
    }

    // MARK: - Templates

    private func vocabulary(_ template: String?) throws -> Vocabulary {
        guard case .hub(let description) = try ModelCheckpoint(path: Fixtures.path("hub/smollm2")).source
        else {
            throw CheckpointError(.missing, path: "smollm2", "is no folder")
        }
        var vocabulary = try description.vocabulary()
        vocabulary.chatTemplates = template.map { [.init(name: "default", source: $0)] } ?? []
        return vocabulary
    }

    @Test("write conversations as the model's own template does", arguments: ["gemma3", "llama3", "smollm2"])
    func templates(name: String) throws {
        let source = try String(contentsOfFile: Fixtures.path("chat/\(name).jinja"), encoding: .utf8)
        let vocabulary = try vocabulary(source)
        let template = try GoTemplate(try #require(OllamaTemplate(vocabulary, path: name)).text)
        let format = try ChatFormat(Tokenizer(vocabulary, path: name), path: name)
        let conversations: [[ChatMessage]] = [
            [.user("Hello {{ you }}")], [.user("a"), .assistant("b"), .user("c")],
            [.system("Be brief."), .user("a")],
            [.system("Be brief."), .user("a"), .assistant("b"), .user("c"), .assistant("d\ne"), .user("f")],
        ]
        for conversation in conversations {
            let expected = try format.render(conversation, addingGenerationPrompt: true)
            #expect(try template.render(conversation) == expected, "\(name)")
        }
        // An answer that is to be gone on with stays open.
        let open = try template.render([.user("a"), .assistant("b")])
        let begin = try format.render([.user("a")], addingGenerationPrompt: true)
        #expect(open == begin + "b")
    }

    @Test("leave a template out that looks at what was said, and are none without one")
    func withoutTemplate() throws {
        let thinking = try String(contentsOfFile: Fixtures.path("chat/thinking.jinja"), encoding: .utf8)
        for source in [
            thinking, "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
            "{{ raise_exception('no') }}",
            "{{ messages[0].content }}{{ messages[0].content }}", "nothing",
        ] {
            #expect(OllamaTemplate(try vocabulary(source), path: "x") == nil, "\(source)")
        }
        #expect(OllamaTemplate(try vocabulary(nil), path: "x") == nil)
        // Braces are Go's, too.
        let braces =
            "{% for m in messages %}{{ '{{' }}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}> {% endif %}"
        let text = OllamaTemplate(try vocabulary(braces), path: "x")?.text
        #expect(text == nil || text?.contains("{{ \"{{\" }}") == true)
    }

    // MARK: - Folders

    @Test("are a folder with the GGUF file and a Modelfile")
    func ollama() throws {
        let source = Fixtures.path("hub/gemma3-text")
        _ = try convert(source, to: folder.file("a.gguf"), CheckpointExporters.gguf)
        _ = try convert(source, to: folder.file("my model"), CheckpointExporters.ollama)
        #expect(FilePath.names(in: folder.file("my model")) == ["Modelfile", "my-model.gguf"])
        #expect(try contents(folder.file("my model/my-model.gguf")) == contents(folder.file("a.gguf")))
        let text = try String(contentsOfFile: folder.file("my model/Modelfile"), encoding: .utf8)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines[0] == "# ollama create my-model -f Modelfile" && lines[1] == "FROM ./my-model.gguf")
        #expect(
            text.contains("TEMPLATE \"\"\"") && text.contains("PARAMETER stop \"<end_of_turn>\""), "\(text)")
        #expect(
            text.contains("PARAMETER top_k 64\nPARAMETER top_p 0.95\n")
                && text.contains("LICENSE \"\"\"gemma"), "\(text)")
        // It is replaced when asked, and nothing that is not of it.
        #expect(throws: CheckpointError.self) {
            try convert(source, to: folder.file("my model"), CheckpointExporters.ollama)
        }
        _ = try convert(
            source, to: folder.file("my model"), CheckpointExporters.ollama, .q8_0, replacing: true)
        #expect(
            try ModelCheckpoint(path: folder.file("my model/my-model.gguf")).tensors.contains {
                $0.entry.type == .q8_0
            })
        try folder.write(Array("x".utf8), to: "my model/other.gguf")
        let foreign = #expect(throws: CheckpointError.self) {
            try convert(source, to: folder.file("my model"), CheckpointExporters.ollama, replacing: true)
        }
        #expect(foreign?.problem.contains("other.gguf") == true)
    }

    @Test("are two folders deep for LM Studio")
    func lmStudio() throws {
        try folder.makeFolder("me")
        _ = try convert(
            Fixtures.path("hub/smollm2"), to: folder.file("me/small-q4_0"), CheckpointExporters.lmStudio)
        #expect(FilePath.names(in: folder.file("me/small-q4_0")) == ["small-q4_0.gguf"])
        let file = try ModelCheckpoint(path: folder.file("me/small-q4_0/small-q4_0.gguf"))
        #expect(file.isQuantizedFile)
    }

    // MARK: - Stores

    @Test("are put into Ollama's folder by digest, the manifest last")
    func ollamaStore() throws {
        let environment = ["OLLAMA_MODELS": folder.path, "HOME": "/nowhere"]
        let store = try ModelStore(.ollama, name: "small:q4_0", environment: environment)
        try store.prepare(replacing: false)
        _ = try convert(Fixtures.path("hub/gemma3-text"), to: store.output, store.exporter)
        let file = try contents(store.output)
        try store.finish(.q4_0)
        #expect(!FilePath.exists(store.output) && store.nextStep == "ollama run small:q4_0")
        let path = folder.file("manifests/registry.ollama.ai/library/small/q4_0")
        let manifest = try JSONParser.parse(path: path)
        #expect(manifest["schemaVersion"]?.integer == 2)
        let layers = try #require(manifest["layers"]?.elements)
        let kinds = layers.map { $0["mediaType"]?.text ?? "" }
        #expect(
            kinds == ["model", "template", "license", "params"].map { "application/vnd.ollama.image." + $0 })
        for layer in layers + [try #require(manifest["config"])] {
            let digest = try #require(layer["digest"]?.text)
            let blob = try contents(folder.file("blobs/" + digest.replacingOccurrences(of: ":", with: "-")))
            #expect(digest == "sha256:" + SHA256.hex(blob) && layer["size"]?.integer == blob.count)
            if layer["mediaType"]?.text?.hasSuffix("model") == true { #expect(blob == file) }
            if layer["mediaType"]?.text?.hasSuffix("params") == true {
                let parameters = try JSONParser.parse(
                    path: folder.file("blobs/" + digest.replacingOccurrences(of: ":", with: "-")))
                #expect(parameters["stop"]?.elements?.contains { $0.text == "<end_of_turn>" } == true)
            }
            if layer["mediaType"]?.text?.contains("docker.container") == true {
                let text = String(decoding: blob, as: UTF8.self)
                #expect(text.contains("\"gemma3\"") && text.contains("\"Q4_0\"") && text.contains("diff_ids"))
            }
        }
        // A name that is taken.
        let again = #expect(throws: CheckpointError.self) { try store.prepare(replacing: false) }
        #expect(again?.problem == "is a model of this name already")
        try store.prepare(replacing: true)
    }

    @Test("have names that stay in the folder")
    func names() throws {
        let ollama = ["OLLAMA_MODELS": folder.path]
        for name in [
            "", "a/b/c", "../x", "a:", ":b", "a b", "a/../b", "/a", "a:b/c",
            String(repeating: "a", count: 81),
        ] {
            let error = #expect(throws: CheckpointError.self, "\(name)") {
                try ModelStore(.ollama, name: name, environment: ollama)
            }
            #expect(error?.code == .invalidRequest)
        }
        #expect(try OllamaName("me/a.b_c-1:x").description == "me/a.b_c-1:x")
        #expect(try OllamaName("a").description == "a:latest")
        try folder.makeFolder("models")
        let studio = ["LMSTUDIO_HOME": folder.path]
        for name in ["", "a", "a/b/c", "../x", "a/..", "/a", ".a/b"] {
            let error = #expect(throws: CheckpointError.self, "\(name)") {
                try ModelStore(.lmStudio, name: name, environment: studio)
            }
            #expect(error?.code == .invalidRequest)
        }
        #expect(
            try ModelStore(.lmStudio, name: "me/x", environment: studio).output == folder.file("models/me/x"))
        for consumer in [Consumer.ollama, .lmStudio] {
            let missing = #expect(throws: CheckpointError.self) {
                try ModelStore(consumer, name: "me/x", environment: ["HOME": folder.file("none")])
            }
            #expect(missing?.code == .missing && missing?.advice?.contains("start it once") == true)
        }
    }

    @Test("count parameters as Ollama writes them")
    func counts() {
        #expect(OllamaStore.text(268_098_176) == "268.10M" && OllamaStore.text(4_299_915_632) == "4.3B")
    }
}
