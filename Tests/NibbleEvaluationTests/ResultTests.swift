import NibbleCheckpoint
import NibbleEvaluation
import Testing

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

    @Test("Texts are pooled token by token, and an interrupted run says how far it came")
    func perplexity() throws {
        let texts = [
            PerplexityResult.TextResult(
                name: "a", tokenCount: 2000, chunksPlanned: 3, chunksDone: 3, estimate: try estimate([1, 2])),
            PerplexityResult.TextResult(
                name: "b", tokenCount: 1200, chunksPlanned: 2, chunksDone: 1, estimate: try estimate([6])),
            PerplexityResult.TextResult(name: "c", tokenCount: 1100, chunksPlanned: 2),
        ]
        let result = PerplexityResult(
            model: "m", texts: texts, context: 512, precision: "f32", threads: 2, seconds: 8)
        #expect(result.pooled == (try estimate([1, 2, 6])))
        #expect(result.chunksPlanned == 7)
        #expect(result.chunksDone == 4)
        #expect(!result.isComplete)
        #expect(result.tokensEvaluated == 2048)
        #expect(result.tokensPerSecond == 256)
        #expect(result.divergence == nil)
    }

    @Test("Comparisons of several texts are pooled, too")
    func divergence() throws {
        let parts = [try statistics(nll: 2, baseNll: 1), try statistics(nll: 3, baseNll: 1, count: 5)]
        let result = PerplexityResult(
            model: "m",
            texts: parts.map {
                .init(name: "t", tokenCount: 9, chunksPlanned: 1, chunksDone: 1, divergence: $0)
            }, context: 4, precision: "f32", threads: 1, seconds: 0)
        #expect(result.divergence?.count == 25)
        #expect(result.tokensPerSecond == 0)
        #expect(result.isComplete)
    }

    @Test("Later models win back a share of what the first one lost")
    func comparison() throws {
        let base = ComparisonRow(
            base: "bf16", bytes: 1000, bitsPerWeight: 16, chunksDone: 4, estimate: try estimate([1, 1, 1]))
        var result = ModelComparison(
            base: base, texts: ["t"], context: 512, chunksPlanned: 4, precision: "f32", threads: 2)
        #expect(result.isComplete)
        for (name, nll) in [("q4", 2.0), ("qat", 1.5), ("worse", 3)] {
            result.append(
                name, bytes: 300, bitsPerWeight: 4.5, chunksDone: 4,
                statistics: try statistics(nll: nll, baseNll: 1))
        }
        #expect(result.rows.map(\.name) == ["bf16", "q4", "qat", "worse"])
        #expect(result.rows[0].difference == nil)
        #expect(result.rows[0].meanDivergence == nil)
        #expect(result.rows[1].recovered == nil)
        // Losses e² - e = 4.6708, e^1.5 - e = 1.7634, e³ - e = 17.3673
        #expect(abs((result.rows[2].recovered ?? 0) - (4.670774270 - 1.763407242) / 4.670774270) < 1e-9)
        #expect(abs((result.rows[3].recovered ?? 0) - (4.670774270 - 17.367255095) / 4.670774270) < 1e-8)
        // Divergences 0, 1, …, 19: 0.99 · 19 = 18.81
        #expect(abs((result.rows[1].divergence99 ?? 0) - 18.81) < 1e-5)
        #expect(result.rows[1].maxDivergence == 19)
        #expect(result.rows[1].meanDivergence?.value == 9.5)
        #expect(result.rows[1].sameTop?.value == 0.5)
        #expect(result.isComplete)
        result.append(
            "cut", bytes: 1, bitsPerWeight: 1, chunksDone: 3, statistics: try statistics(nll: 1, baseNll: 1))
        #expect(!result.isComplete)
    }
}
