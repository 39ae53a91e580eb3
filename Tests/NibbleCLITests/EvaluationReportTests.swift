import Foundation
import Nibble
import NibbleCheckpoint
import Testing

@testable import NibbleCLI
@testable import NibbleEvaluation

@Suite("Reports of evaluations")
struct EvaluationReportTests {
    private func estimate(_ values: [Double]) throws -> PerplexityEstimate {
        var estimate = PerplexityEstimate()
        for value in values { try estimate.add(value) }
        return estimate
    }

    /// Twenty tokens, half of them half a nat above `nll`, half below.
    private func statistics(nll: Double) throws -> DivergenceStatistics {
        var statistics = DivergenceStatistics()
        for index in 0..<20 {
            let shift = index.isMultiple(of: 2) ? 0.5 : -0.5
            try statistics.add(
                TokenDivergence(
                    nll: nll + shift, baseNll: 1, divergence: 0.125 * nll,
                    probabilityDifference: 0.25, sameTop: index.isMultiple(of: 4)))
        }
        return statistics
    }

    private func result(_ texts: [Evaluation.Text], hasBase: Bool = false) -> Evaluation {
        Evaluation(
            models: [.init(path: "m.gguf", bytes: 1000, bitsPerWeight: 4.5)], hasBase: hasBase,
            secondBase: nil,
            precision: "f32",
            threads: 2, texts: texts, elapsed: .seconds(4))
    }

    private func text(
        _ name: String, tokens: Int, planned: Int, done: Int = 0, _ values: [Double] = [],
        divergence: DivergenceStatistics = DivergenceStatistics()
    ) throws -> Evaluation.Text {
        .init(
            name: name, tokenCount: tokens, context: 512, stride: nil, chunksPlanned: planned,
            chunksDone: done, tokensDone: 512 * done,
            estimates: [try estimate(values)], divergences: [divergence], secondDivergences: [],
            positions: [PositionDivergence()], worst: [WorstTokens()],
            documents: [.init(name: name, sums: [DocumentSums()], secondSums: [])])
    }

    private func object(_ json: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    }

    @Test("The last line is the estimate, as llama-perplexity prints it")
    func oneText() throws {
        let report = PerplexityReport(
            result([try text("a.txt", tokens: 1500, planned: 2, done: 2, [1, 2, 6])]))
        #expect(
            report.text == """
                2 chunks of 512 tokens, f32: 1024 tokens in 4.00 s, 256.0 tokens/s
                PPL = 20.0855 +/- 30.68116
                """)
    }

    @Test("Several texts have a table, and an interrupted run says so")
    func interrupted() throws {
        let report = PerplexityReport(
            result([
                try text("a.txt", tokens: 1500, planned: 2, done: 2, [1, 2]),
                try text("long name.txt", tokens: 9000, planned: 17, done: 1, [6]),
                try text("c.txt", tokens: 2000, planned: 3),
            ]))
        #expect(
            report.text == """
                text           tokens   chunks  scored  perplexity      +/-
                a.txt            1500        2       2      4.4817  2.24084
                long name.txt    9000  1 of 17       1    403.4288
                c.txt            2000   0 of 3       0

                3 chunks of 512 tokens, f32: 1536 tokens in 4.00 s, 384.0 tokens/s
                stopped after 3 of 22 chunks
                PPL = 20.0855 +/- 30.68116
                """)
        let json = try object(report.json)
        #expect(json["complete"] as? Bool == false)
        #expect(json["chunks_planned"] as? Int == 22)
        let texts = try #require(json["texts"] as? [[String: Any]])
        #expect((texts[2]["estimate"] as? [String: Any])?["perplexity"] is NSNull)
        #expect((texts[1]["estimate"] as? [String: Any])?["error"] is NSNull)
    }

    @Test("Nothing evaluated is no perplexity of 1")
    func nothing() throws {
        let report = PerplexityReport(result([try text("a", tokens: 2000, planned: 3)]))
        #expect(report.text.hasSuffix("stopped after 0 of 3 chunks\nPPL: nothing was evaluated"))
        _ = try object(report.json)
    }

    @Test("A comparison with a base model has llama-perplexity's tables, with a remark on few tokens")
    func divergence() throws {
        let text = try text(
            "a", tokens: 2000, planned: 1, done: 1, [2], divergence: try statistics(nll: 2))
        let report = PerplexityReport(result([text], hasBase: true))
        #expect(report.text.contains("Mean    KLD:   0.250000 ±   0.000000"))
        #expect(report.text.contains("(20 tokens: too few"))
        let json = try object(report.json)
        #expect((json["divergence"] as? [String: Any])?["tokens"] as? Int == 20)
    }

    @Test("Progress says how far, how good and how long")
    func progress() throws {
        let estimate = try estimate([1, 2, 6])
        #expect(
            PerplexityReport.line(chunksDone: 3, of: 9, estimate, elapsed: .seconds(30))
                == "chunk 3 of 9  PPL = 20.0855 +/- 30.68116  1 min 00 s left")
        #expect(
            PerplexityReport.line(chunksDone: 0, of: 9, PerplexityEstimate(), elapsed: .seconds(1))
                == "chunk 0 of 9  PPL: nothing was evaluated")
    }

    private func comparison(done: Int = 4) throws -> Evaluation {
        Evaluation(
            models: [
                .init(path: "bf16", bytes: 536_000_000, bitsPerWeight: 16),
                .init(path: "q4_0", bytes: 151_000_000, bitsPerWeight: 4.5),
                .init(path: "qat|q4_0", bytes: 151_000_000, bitsPerWeight: 4.5),
            ], hasBase: true, secondBase: nil, precision: "f32", threads: 2,
            texts: [
                .init(
                    name: "a.txt", tokenCount: 2048, context: 512, stride: nil, chunksPlanned: 4,
                    chunksDone: done,
                    estimates: [try estimate([1, 1, 1]), PerplexityEstimate(), PerplexityEstimate()],
                    divergences: [
                        DivergenceStatistics(), try statistics(nll: 2), try statistics(nll: 1.5),
                    ], secondDivergences: [],
                    positions: Array(repeating: PositionDivergence(), count: 3),
                    worst: Array(repeating: WorstTokens(), count: 3),
                    documents: [
                        .init(name: "a.txt", sums: Array(repeating: DocumentSums(), count: 3), secondSums: [])
                    ])
            ], elapsed: .seconds(75))
    }

    @Test("A comparison as text")
    func comparisonText() throws {
        let lines = ComparisonReport(try comparison(done: 3)).text.split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 7)
        #expect(lines[0].hasPrefix("model") && lines[0].hasSuffix("same top"))
        #expect(lines[1].hasPrefix("bf16 (3 of 4 chunks)") && lines[1].hasSuffix("2.7183 ± 0.0000"))
        // (e² - e^1.5) / (e² - e) = 62.2 %
        #expect(lines[3].hasPrefix("qat|q4_0 (3 of 4 chunks)") && lines[3].contains("62.2 %"))
        #expect(lines[3].hasSuffix("25.00 ± 9.93 %"))
        #expect(lines[5] == "a.txt: 4 chunks of 512 tokens, f32, 2 threads, 1 min 15 s")
        #expect(lines[6] == "stopped early")
        let whole = ComparisonReport(try comparison()).text.split(separator: "\n")
        #expect(whole.count == 5 && whole[3].hasPrefix("qat|q4_0  "))
    }

    @Test("A comparison as Markdown escapes what would end a cell")
    func comparisonMarkdown() throws {
        let lines = ComparisonReport(try comparison()).markdown.split(separator: "\n")
        #expect(lines[0].hasPrefix("| model | size | bits/weight | perplexity | difference |"))
        #expect(lines[1] == "| --- |" + String(repeating: " ---: |", count: 9))
        #expect(lines[4].hasPrefix("| qat\\|q4_0 | 151 MB | 4.50 | 4.4817 ± 0.5141 | 1.7634"))
        #expect(lines[2] == "| bf16 | 536 MB | 16.00 | 2.7183 ± 0.0000 |  |  |  |  |  |  |")
    }

    @Test("A comparison as JSON")
    func comparisonJSON() throws {
        let json = try object(ComparisonReport.json([ComparisonReport(try comparison(done: 3))]))
        let models = try #require(json["models"] as? [[String: Any]])
        #expect(models.count == 3)
        #expect(models[0]["difference"] is NSNull)
        #expect((models[2]["recovered"] as? Double).map { abs($0 - 0.62246) < 1e-5 } == true)
        #expect(models[2]["chunks"] as? Int == 3)
        #expect(json["complete"] as? Bool == false)
    }
}
