import Foundation
import NibbleTestSupport
import Testing

/// Text from pipes and standard input, in every command that takes text.
@Suite("Text from pipes")
struct PipeTests {
    private static let model = Fixtures.path("hub/llama3")
    private static let text = Fixtures.path("texts/english.txt")

    static let commands: [[String]] = [
        ["tokenize", model, "--ids", "--text"],
        ["perplexity", model, "-c", "32", "--chunks", "2", "-q", "--precision", "f32", "--text"],
        ["compare", model, model, "-c", "32", "--chunks", "2", "-q", "--json", "--text"],
    ]

    @Test("gives what the file gives", arguments: commands)
    func same(command: [String]) throws {
        // Times and names differ.
        func figures(_ output: String) -> [String] {
            output.split(separator: "\n").map(String.init).filter { line in
                !["tokens/s", "seconds", "\"name\"", "english.txt", "/dev/", "standard input"].contains {
                    line.contains($0)
                }
            }
        }
        let expected = try CommandLineTool.run(command + [Self.text])
        try #require(expected.status == 0)
        for line in [
            "\"$NIBBLE\" \"$@\" <(cat \(Self.text))", "\"$NIBBLE\" \"$@\" - < \(Self.text)",
            "cat \(Self.text) | \"$NIBBLE\" \"$@\" -", "cat \(Self.text) | \"$NIBBLE\" \"$@\" /dev/stdin",
        ] {
            let found = try CommandLineTool.shell(line, command)
            #expect(found.status == 0, "\(line): \(found.errors)")
            #expect(figures(found.output) == figures(expected.output), "\(line)")
        }
    }

    @Test("trains as the file does")
    func training() throws {
        let runs = try QATRuns()
        try runs.run(runs.command("file", steps: 2, every: 2) + ["-q"])
        let command = runs.command("pipe", steps: 2, every: 2).map { $0 == runs.text ? "-" : $0 }
        let result = try CommandLineTool.shell("\"$NIBBLE\" \"$@\" < \(runs.text)", command + ["-q"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try contents(runs.path("pipe/model.gguf")) == contents(runs.path("file/model.gguf")))
    }

    @Test("can be standard input once")
    func twice() throws {
        for command in [
            ["perplexity", Self.model, "-c", "32", "--text", "-", "-"],
            ["qat", Self.model, "--text", "-", "-", "-o", "run"],
        ] {
            let result = try CommandLineTool.shell("\"$NIBBLE\" \"$@\" < \(Self.text)", command)
            #expect(
                result.status == 1 && result.errors.contains("standard input: is named twice"),
                "\(result.errors)")
        }
    }

    @Test("is a prompt")
    func prompt() throws {
        let command = ["generate", Self.model, "-", "--tokens", "3", "--temperature", "0", "-q"]
        let piped = try CommandLineTool.shell("echo 'Once upon' | \"$NIBBLE\" \"$@\"", command)
        let given = try CommandLineTool.run(command.map { $0 == "-" ? "Once upon" : $0 })
        #expect(piped.status == 0 && piped.output == given.output)
    }
}

/// What is checked before hours of work.
@Suite("Places of outputs on the command line")
struct OutputOptionTests {
    private static let model = Fixtures.path("hub/llama3")

    @Test("A conversion refuses a place that is none", arguments: ["", "-"])
    func names(output: String) throws {
        let result = try CommandLineTool.run(["convert", Self.model, "-o", output])
        #expect(result.status == 1 && result.errors.hasPrefix("nibble: output: "), "\(result.errors)")
    }

    @Test("A conversion does not replace a folder that holds its source")
    func parent() throws {
        let folder = try HubFolder("llama3")
        let parent = (folder.path as NSString).deletingLastPathComponent
        try Data("{}".utf8).write(to: URL(fileURLWithPath: parent + "/config.json"))
        let result = try CommandLineTool.run(["convert", folder.path, "-o", parent, "--force"])
        #expect(result.status == 1 && result.errors.contains("holds the input"), "\(result.errors)")
        #expect(folder.has("model.safetensors"))
    }

    @Test("An export that cannot be written is refused before the first step")
    func export() throws {
        let runs = try QATRuns()
        let teacher = Fixtures.path("hub/gemma3-text")
        try runs.folder.makeFolder("a.gguf")
        try runs.folder.makeFolder("photos")
        try runs.folder.write([1], to: "photos/photo.jpg")
        try runs.folder.write([1], to: "there.gguf")
        for (target, part) in [
            (runs.path("nowhere/x.gguf"), "no such folder"), (runs.path("a.gguf"), "is a folder"),
            (runs.path("photos"), "photo.jpg"), (teacher, "is the teacher"),
            (runs.path("run"), "is the run folder"),
            (runs.path("there.gguf"), "--force"),
        ] {
            let result = try CommandLineTool.run(
                runs.command(teacher: teacher, steps: 1, every: 1) + ["--export", target])
            #expect(result.status == 1 && result.errors.contains(part), "\(target): \(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: runs.path("run")), "\(target)")
        }
        #expect(try contents(runs.path("there.gguf")) == [1])
        try runs.run(
            runs.command(steps: 1, every: 1) + ["--export", runs.path("there.gguf"), "--force", "-q"])
        #expect(try contents(runs.path("there.gguf")).count > 1000)
    }

    @Test("Logits are never written over the text or the model", arguments: ["model", "text", "weights"])
    func logits(input: String) throws {
        let folder = try TemporaryFolder()
        let model = folder.file("model.gguf")
        let text = folder.file("text.txt")
        try FileManager.default.copyItem(atPath: Fixtures.path("hub/llama3.expected.gguf"), toPath: model)
        try FileManager.default.copyItem(atPath: Fixtures.path("texts/english.txt"), toPath: text)
        let hub = try HubFolder("llama3")
        let target = ["model": model, "text": text][input] ?? hub.file("model.safetensors")
        let before = try contents(target)
        let result = try CommandLineTool.run(
            [
                "perplexity", input == "weights" ? hub.path : model, "--text", text, "-c", "32",
                "--save-logits", target, "--force",
            ])
        #expect(result.status == 1 && result.errors.contains("is an input"), "\(result.errors)")
        #expect(try contents(target) == before)
    }
}
