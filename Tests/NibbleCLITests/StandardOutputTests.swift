import Foundation
import NibbleTestSupport
import Testing

/// `/dev/full` stands for a redirection to a full disk.
@Suite(
    "Standard output that takes nothing",
    .enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "this system has no /dev/full"))
struct StandardOutputTests {
    private static let model = Fixtures.path("hub/llama2-spm")
    private static let text = Fixtures.path("texts/english.txt")

    static let commands: [[String]] = [
        ["--help"], ["--version"], ["convert", "--help"], ["--generate-completion-script", "bash"],
        ["tokenize", model, "--text", text],
        ["tokenize", model, "--text", text, "--json"],
        ["generate", model, "Once", "--tokens", "2", "-q"],
        ["perplexity", model, "--text", text, "-c", "32", "--chunks", "2", "-q"],
        ["perplexity", model, "--text", text, "-c", "32", "--chunks", "2", "-q", "--json"],
        ["compare", model, model, "--text", text, "-c", "32", "--chunks", "2", "-q"],
        ["compare", model, model, "--text", text, "-c", "32", "--chunks", "2", "-q", "--markdown"],
        ["inspect", model], ["inspect", model, "--json"],
        ["convert", model, "-o", "out.gguf", "--dry-run"],
    ]

    @Test("A full disk is one line on standard error and status 1", arguments: commands)
    func fullDisk(command: [String]) throws {
        let result = try CommandLineTool.shell("\"$NIBBLE\" \"$@\" > /dev/full", command)
        #expect(result.status == 1)
        let last = result.errors.split(separator: "\n").last ?? ""
        #expect(last.hasPrefix("nibble: standard output: cannot write: No space left"), "\(result.errors)")
        #expect(!result.errors.contains("Fatal"))
    }

    @Test("So is a conversion, whose file is whole all the same", arguments: [[], ["--json"]])
    func conversion(flags: [String]) throws {
        let folder = try TemporaryFolder()
        let arguments = ["convert", Self.model, "-o", folder.file("out.gguf"), "-q"] + flags
        let result = try CommandLineTool.shell("\"$NIBBLE\" \"$@\" > /dev/full", arguments)
        #expect(result.status == 1)
        #expect(result.errors.split(separator: "\n").count { !$0.hasPrefix("warning: ") } == 1)
        #expect(try CommandLineTool.run(["inspect", folder.file("out.gguf")]).status == 0)
    }

    @Test("And the report of a training, whose run and export stay")
    func training() throws {
        let runs = try QATRuns()
        let result = try CommandLineTool.shell(
            "\"$NIBBLE\" \"$@\" > /dev/full", runs.command(steps: 2, every: 2) + ["-q", "--json"])
        #expect(result.status == 1)
        #expect(result.errors.hasPrefix("nibble: standard output: cannot write: No space left"))
        #expect(try runs.status()["step"] as? Int == 2)
        #expect(try CommandLineTool.run(["inspect", runs.path("run/model.gguf")]).status == 0)
    }

    @Test("Progress that cannot be written ends nothing")
    func fullErrors() throws {
        let result = try CommandLineTool.shell(
            "\"$NIBBLE\" \"$@\" 2> /dev/full", ["tokenize", Self.model, "--text", Self.text, "--ids"])
        #expect(result.status == 0)
        #expect(result.output.split(separator: "\n").count > 100)
    }

    @Test("A reader who goes ends the command without a word; one of the progress does not")
    func closedPipes() throws {
        let gone = try CommandLineTool.shell(
            "\"$NIBBLE\" \"$@\" | head -1; exit ${PIPESTATUS[0]}",
            ["tokenize", Fixtures.path("tokens/sentencepiece.gguf"), "--text", CommandLineTool.path])
        #expect(gone.status == 141)
        #expect(gone.errors == "")
        let runs = try QATRuns()
        let trained = try CommandLineTool.shell(
            "\"$NIBBLE\" \"$@\" 2> >(exec 0<&-; sleep 5) > /dev/null; exit $?",
            runs.command(steps: 2, every: 2))
        #expect(trained.status == 0)
        #expect(try runs.status()["step"] as? Int == 2)
    }

    @Test("A closed descriptor is an error, and no file that is opened takes its number")
    func closedDescriptor() throws {
        let folder = try TemporaryFolder()
        let arguments = ["convert", Self.model, "-o", folder.file("out.gguf"), "-q"]
        let closed = try CommandLineTool.shell("\"$NIBBLE\" \"$@\" >&-", arguments)
        #expect(closed.status == 1)
        #expect(closed.errors.contains("\nnibble: standard output: cannot write: "))
        let open = arguments.map { $0.replacingOccurrences(of: "out.gguf", with: "other.gguf") }
        #expect(try CommandLineTool.run(open).status == 0)
        #expect(try contents(folder.file("out.gguf")) == contents(folder.file("other.gguf")))
    }
}
