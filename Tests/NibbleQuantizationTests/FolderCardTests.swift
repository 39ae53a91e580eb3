import Foundation
import NibbleCheckpoint
import NibbleQuantization
import NibbleTestSupport
import Testing

@Suite("Cards in folders of quantized weights")
struct FolderCardTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Converts and returns the README.md; empty where there is none.
    private func card(
        _ input: String, to name: String, _ type: QuantizationType,
        change: (inout ConversionRequest) -> Void = { _ in }
    ) throws -> String {
        var request = ConversionRequest(
            input: input, output: folder.file(name), plan: QuantizationPlan(type), threads: 1)
        change(&request)
        try Converter(request).run()
        let path = folder.file("\(name)/README.md")
        return FilePath.exists(path) ? try String(contentsOfFile: path, encoding: .utf8) : ""
    }

    @Test("The front matter stays, the card of the weights comes first, then what the source's said")
    func merged() throws {
        let source = Fixtures.path("hub/gemma3-text")
        let original = try String(contentsOfFile: source + "/README.md", encoding: .utf8)
        let front = try #require(original.components(separatedBy: "---\n").dropFirst().first)
        let text = try #require(original.components(separatedBy: "---\n").last)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let card = try card(source, to: "int4", .int4_32)
        #expect(card.hasPrefix("---\n" + front + "---\n\n# int4\n"))
        #expect(card.contains("as int4_32, "))
        #expect(
            card.contains(
                "## How it was made\n\nWeights were rounded to the nearest values that their blocks can hold, from "
                    + "gemma3-text, without training."))
        #expect(card.contains("## What it costs\n\nNothing was measured."))
        if !text.isEmpty {
            #expect(card.hasSuffix("## The card of the unquantized model\n\n" + text + "\n"))
        }
        // Converters find the same facts in it.
        let facts = try facts(of: source)
        #expect(facts.count > 4)
        _ = try self.card(source, to: "sfp8", .sfp8)
        #expect(try self.facts(of: folder.file("sfp8")) == facts)
    }

    /// What converters take from a folder's card; names they make of the folder's.
    private func facts(of folder: String) throws -> [String] {
        var notes: [CheckpointNote] = []
        let metadata = try HubDescription(folder: folder).ggufMetadata(
            parameterCount: 0, fileType: 0, notes: &notes)
        let prefixes = ["general.license", "general.tags", "general.base_model", "general.languages"]
        return metadata.entries.filter { entry in prefixes.contains { entry.key.hasPrefix($0) } }.map {
            "\($0)"
        }
    }

    @Test("A folder of plain numbers keeps its card")
    func plain() throws {
        let source = Fixtures.path("hub/gemma3-text")
        let original = try String(contentsOfFile: source + "/README.md", encoding: .utf8)
        #expect(try card(source, to: "bf16", .bf16) == original)
    }

    @Test("A card that was written here is replaced, what it kept of the source's stays")
    func again() throws {
        let source = Fixtures.path("hub/gemma3-text")
        let first = try card(source, to: "first", .sfp8)
        let second = try card(folder.file("first"), to: "second", .sfp8)
        #expect(second.contains("# second\n"))
        #expect(!second.contains("# first\n"))
        let title = "## The card of the unquantized model"
        #expect(second.components(separatedBy: title).count == first.components(separatedBy: title).count)
        #expect(second.components(separatedBy: "## How it was made").count == 2)
    }

    @Test("Of a model without a card there is the card of the weights alone")
    func alone() throws {
        let card = try card(Fixtures.path("hub/qwen3.expected.gguf"), to: "sfp8", .sfp8)
        #expect(card.contains("# sfp8\n"))
        #expect(card.contains("from qwen3.expected.gguf, without training."))
        #expect(card.contains("AutoModelForCausalLM.from_pretrained(\"sfp8\")"))
    }
}
