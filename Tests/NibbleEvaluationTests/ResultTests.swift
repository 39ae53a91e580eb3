import NibbleCheckpoint
import Testing

@testable import NibbleEvaluation

@Suite("Results of evaluations")
struct ResultTests {
    private func estimate(_ values: [Double]) throws -> PerplexityEstimate {
        var estimate = PerplexityEstimate()
        for value in values { try estimate.add(value) }
        return estimate
    }

    private func statistics(nll: Double, baseNll: Double, count: Int = 20) throws -> DivergenceStatistics {
        var statistics = DivergenceStatistics()
        for index in 0..<count {
            try statistics.add(
                TokenDivergence(
                    nll: nll, baseNll: baseNll, divergence: Double(index), probabilityDifference: 0,
                    sameTop: index.isMultiple(of: 2)))
        }
        return statistics
    }

    private func evaluation(
        of models: [String], _ texts: [Evaluation.Text], hasBase: Bool = false, seconds: Int = 0
    ) -> Evaluation {
        Evaluation(
            models: models.map { .init(path: "folder/" + $0, bytes: 300, bitsPerWeight: 4.5) },
            hasBase: hasBase, secondBase: nil,
            precision: "f32", threads: 2, texts: texts, elapsed: .seconds(seconds))
    }

    private func text(
        _ name: String, planned: Int, done: Int, _ estimates: [PerplexityEstimate],
        _ divergences: [DivergenceStatistics] = [DivergenceStatistics()]
    ) -> Evaluation.Text {
        .init(
            name: name, tokenCount: 2000, context: 512, stride: nil, chunksPlanned: planned, chunksDone: done,
            tokensDone: 512 * done,
            estimates: estimates, divergences: divergences, secondDivergences: [],
            positions: estimates.map { _ in PositionDivergence() },
            worst: estimates.map { _ in WorstTokens() },
            documents: [.init(name: name, sums: estimates.map { _ in DocumentSums() }, secondSums: [])])
    }

    @Test("Texts are pooled token by token, and an interrupted run says how far it came")
    func perplexity() throws {
        let result = evaluation(
            of: ["m"],
            [
                text("a", planned: 3, done: 3, [try estimate([1, 2])]),
                text("b", planned: 2, done: 1, [try estimate([6])]),
                text("c", planned: 2, done: 0, [PerplexityEstimate()]),
            ], seconds: 8)
        #expect(result.pooled(model: 0) == (try estimate([1, 2, 6])))
        #expect(result.chunksPlanned == 7)
        #expect(result.chunksDone == 4)
        #expect(!result.isComplete)
        #expect(result.tokensEvaluated == 2048)
        #expect(result.tokensPerSecond == 256)
    }

    @Test("Comparisons of several texts are pooled, too")
    func divergence() throws {
        let parts = [try statistics(nll: 2, baseNll: 1), try statistics(nll: 3, baseNll: 1, count: 5)]
        let result = evaluation(
            of: ["m"], parts.map { text("t", planned: 1, done: 1, [PerplexityEstimate()], [$0]) },
            hasBase: true)
        #expect(result.divergence(model: 0).count == 25)
        #expect(result.tokensPerSecond == 0)
        #expect(result.isComplete)
    }

    @Test("Later models win back a share of what the first one lost")
    func comparison() throws {
        let losses = try [2.0, 1.5, 3].map { try statistics(nll: $0, baseNll: 1) }
        let result = evaluation(
            of: ["bf16", "q4", "qat", "worse"],
            [
                text(
                    "t", planned: 4, done: 4,
                    [try estimate([1, 1, 1])] + losses.map { _ in PerplexityEstimate() },
                    [DivergenceStatistics()] + losses)
            ], hasBase: true)
        let rows = result.rows
        #expect(rows.map(\.name) == ["bf16", "q4", "qat", "worse"])
        #expect(abs(rows[0].perplexity.value - 2.718281828) < 1e-9)
        #expect(rows[0].difference == nil)
        #expect(rows[0].meanDivergence == nil)
        #expect(rows[1].recovered == nil)
        // Losses e² - e = 4.6708, e^1.5 - e = 1.7634, e³ - e = 17.3673
        #expect(abs((rows[2].recovered ?? 0) - (4.670774270 - 1.763407242) / 4.670774270) < 1e-9)
        #expect(abs((rows[3].recovered ?? 0) - (4.670774270 - 17.367255095) / 4.670774270) < 1e-8)
        // Divergences 0, 1, …, 19: 0.99 · 19 = 18.81
        #expect(abs((rows[1].divergence99 ?? 0) - 18.81) < 1e-5)
        #expect(rows[1].maxDivergence == 19)
        #expect(rows[1].meanDivergence?.value == 9.5)
        #expect(rows[1].sameTop?.value == 0.5)
        let same = evaluation(
            of: ["a/x.gguf", "b/x.gguf"],
            [
                text(
                    "t", planned: 4, done: 3, [try estimate([1]), try estimate([2])],
                    [DivergenceStatistics(), losses[0]])
            ], hasBase: true)
        #expect(same.rows.map(\.name) == ["folder/a/x.gguf", "folder/b/x.gguf"])
        #expect(!same.isComplete)
    }
}
