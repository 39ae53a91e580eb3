import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@Suite("nibble card")
struct CardCommandTests {
    private let runs: QATRuns

    init() throws { runs = try QATRuns() }

    /// A tiny model, quantized.
    private func quantized() throws -> String {
        let path = runs.path("tiny.q4_0.gguf")
        try runs.run(["convert", Fixtures.path("hub/smollm2"), "-o", path, "--pure", "--quiet"])
        return path
    }

    @Test("says what a file is, how to run it, and what was not measured")
    func file() throws {
        let result = try CommandLineTool.run(["card", try quantized(), "--base-model", "owner/tiny-1.0"])
        #expect(result.status == 0)
        let card = result.output
        for part in [
            "---\nbase_model:\n- owner/tiny-1.0\nbase_model_relation: quantized\n", "library_name: gguf\n",
            "- q4_0\n",
            "# tiny.q4_0.gguf", "[owner/tiny-1.0](https://huggingface.co/owner/tiny-1.0) as q4_0",
            "The file does not say how its codes were chosen", "Nothing was measured.",
            "llama-cli -m tiny.q4_0.gguf",
            "Ollama", "LM Studio", "MLX", "## What was not measured",
        ] {
            #expect(card.contains(part), "\(part)\n\(card)")
        }
    }

    @Test("of a run says how it was trained and what was measured, and shows its recipe")
    func run() throws {
        try runs.run(runs.command())
        let output = runs.path("README.md")
        let result = try runs.run(["card", runs.path("run"), "-o", output, "--license", "mit"])
        #expect(result.errors.contains("--base-model") && !result.errors.contains("--license"))
        let card = String(decoding: try contents(output), as: UTF8.self)
        for part in [
            "- qat\n", "metrics:\n- perplexity\n", "trained for | 20 steps, 1280 tokens, seed 1",
            "| unquantized | ",
            "| trained | ", "## Recipe\n\n```yaml\n", "steps: 20", "license: mit\n",
        ] {
            #expect(card.contains(part), "\(part)\n\(card)")
        }
        #expect(!card.contains("base_model"))
        let again = try CommandLineTool.run(["card", runs.path("run"), "-o", output])
        #expect(again.status == 1 && again.errors.contains("README.md"))
    }

    @Test("shows the figures of a comparison, with their intervals")
    func figures() throws {
        let (model, text) = (try quantized(), Fixtures.path("texts/english.txt"))
        try runs.run([
            "compare", Fixtures.path("hub/smollm2"), model, "--text", text, "--context", "32", "--chunks",
            "3",
            "--report", runs.path("r.html"), "--quiet",
        ])
        let card = try runs.run(["card", model, "--figures", runs.path("r.json")]).output
        #expect(
            card.contains("| model | size | perplexity | mean KL divergence | 95 % interval | same top |"))
        #expect(
            card.contains("| tiny.q4_0.gguf | ") && card.contains(" to ")
                && card.contains("32 tokens of context"))
        let wrong = try CommandLineTool.run([
            "card", model, "--figures", Fixtures.path("hub/smollm2/config.json"),
        ])
        #expect(wrong.status == 1 && wrong.errors.contains("is no comparison"))
    }

    @Test(
        "says what is wrong with what it is asked",
        arguments: [
            (["card", "nothing.gguf"], "nothing.gguf"),
            (["card", "a", "--base-model", "tiny"], "OWNER/NAME"),
            (["card", "a", "--base-model", "a/b/c"], "OWNER/NAME"),
            (["card", "a", "--base-model", "a/<b>"], "OWNER/NAME"),
        ])
    func wrong(arguments: [String], part: String) throws {
        let result = try CommandLineTool.run(arguments)
        #expect(result.status != 0 && result.errors.contains(part), "\(result.errors)")
    }

    @Test(
        "is a card that the hub's library reads, and its validator would take",
        .enabled(if: ReferencePython.path != nil, "\(ReferencePython.hint("huggingface_hub"))"))
    func hub() throws {
        let python = try #require(ReferencePython.path)
        try runs.run(runs.command())
        let folder = runs.path("sfp8")
        try runs.run(["convert", Fixtures.path("hub/smollm2"), "-o", folder, "--type", "sfp8", "--quiet"])
        var cards: [String] = []
        for (index, subject) in [try quantized(), runs.path("run"), folder].enumerated() {
            cards.append(runs.path("card \(index).md"))
            try runs.run([
                "card", subject, "--base-model", "owner/tiny", "--license", "apache-2.0", "-o", cards[index],
            ])
        }
        let result = try RealModels.run(
            python, [Fixtures.folder + "/../../scripts/check-card.py"] + cards)
        #expect(result.status == 0 && result.output == "3 cards without fault\n", "\(result)")
    }
}
