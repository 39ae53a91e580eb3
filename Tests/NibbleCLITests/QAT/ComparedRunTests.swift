import Foundation
import NibbleTestSupport
import Testing

@Suite("Training curves in nibble compare --report")
struct ComparedRunTests {
    private let runs: QATRuns
    private let teacher = Fixtures.path("hub/gemma3-text")

    init() throws {
        runs = try QATRuns()
        try runs.run(runs.command(steps: 4, every: 2, ["--quiet"]))
    }

    private func compare(_ models: [String], _ more: [String] = []) -> [String] {
        ["compare", teacher] + models
            + ["--text", runs.text, "--context", "32", "--chunks", "2", "--quiet", "--force", "--json"]
            + ["--report", runs.path("page.html")] + more
    }

    private func page() throws -> String {
        String(decoding: try contents(runs.path("page.html")), as: UTF8.self)
    }

    @Test("A model in its run folder brings the run along, another one is named, each once")
    func curves() throws {
        let model = runs.path("run/model.gguf")
        let report = try QATRuns.json(
            try runs.run(compare([model], ["--run", runs.path("run") + "/", runs.path("run") + "/."])).output)
        let training = try #require(report["training"] as? [[String: Any]])
        #expect(training.count == 1)
        #expect((training.first?["held_out"] as? [Any])?.count == 3)
        #expect(try page().contains("<h2>Training of run</h2>"))

        let alone = try QATRuns.json(try runs.run(compare([model])).output)
        #expect((alone["training"] as? [[String: Any]])?.first?["run"] as? String == runs.path("run"))
        let html = try page()
        #expect(html.contains("<h2>Training of model.gguf</h2>") && html.contains("<h3>Training loss</h3>"))
        #expect(html.contains("Divergence on held-out text over 3 evaluations"))

        let copy = runs.path("copy.gguf")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        let without = try QATRuns.json(try runs.run(compare([copy])).output)
        #expect((without["training"] as? [Any])?.isEmpty == true)
        #expect(try !page().contains("Training of"))
        try runs.run(compare([copy], ["--run", runs.path("run")]))
        #expect(try page().contains("<h2>Training of run</h2>"))

        // Of two runs of one name their paths; one without two figures of anything has no section.
        for parent in ["other", "third"] {
            try FileManager.default.createDirectory(
                atPath: runs.path(parent), withIntermediateDirectories: true)
        }
        try runs.run(runs.command("other/run", steps: 0, ["--quiet"]))
        try runs.run(runs.command("third/run", steps: 2, every: 2, ["--quiet"]))
        let all = ["run", "other/run", "third/run"].map(runs.path)
        try runs.run(compare([copy], ["--run"] + all))
        let both = try page()
        #expect(
            both.contains("<h2>Training of \(all[0])</h2>") && both.contains("<h2>Training of \(all[2])</h2>")
        )
        #expect(!both.contains("Training of \(all[1])"))
    }

    @Test("What is no run, or a damaged one, is named")
    func faults() throws {
        let model = runs.path("run/model.gguf")
        let none = try CommandLineTool.run(compare([model], ["--run", teacher]))
        #expect(none.status == 1 && none.errors.contains(teacher), "\(none.errors)")
        let useless = try CommandLineTool.run(
            ["compare", teacher, model, "--text", runs.text, "--run", runs.path("run")])
        #expect(useless.status != 0 && useless.errors.contains("--run is for --report"))
        try Data("{".utf8).write(to: URL(fileURLWithPath: runs.path("run/run.json")))
        let damaged = try QATRuns.json(try runs.run(compare([model])).output)
        #expect((damaged["training"] as? [Any])?.isEmpty == true)
        let warnings = try #require(damaged["warnings"] as? [String])
        #expect(warnings.contains { $0.contains("left out") && $0.contains("run.json") }, "\(warnings)")
    }
}
