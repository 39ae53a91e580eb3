import Foundation
import Testing

@testable import NibbleEvaluation

@Suite("Intervals of an evaluation")
struct EvaluationIntervalsTests {
    /// A base and a model whose tokens cost in each document what `nlls` says, the model's 0.1 nats more.
    private func evaluation(_ nlls: [Double]) throws -> Evaluation {
        var estimates = [PerplexityEstimate(), PerplexityEstimate()]
        var statistics = DivergenceStatistics()
        var documents: [Evaluation.Document] = []
        for (index, nll) in nlls.enumerated() {
            var sums = [DocumentSums(), DocumentSums()]
            for _ in 0..<10 {
                let token = TokenDivergence(
                    nll: nll + 0.1, baseNll: nll, divergence: 0.1 * nll, sameTop: true)
                sums[0].add(TokenDivergence(nll: nll, baseNll: nll, divergence: 0, sameTop: true))
                sums[1].add(token)
                try estimates[0].add(nll)
                try estimates[1].add(nll + 0.1)
                try statistics.add(token)
            }
            documents.append(.init(name: "\(index)", sums: sums, secondSums: []))
        }
        let text = Evaluation.Text(
            name: "text", tokenCount: 20 * nlls.count, context: 20, stride: nil, chunksPlanned: nlls.count,
            chunksDone: nlls.count, estimates: estimates, divergences: [DivergenceStatistics(), statistics],
            secondDivergences: [], positions: [PositionDivergence(), PositionDivergence()],
            worst: [WorstTokens(), WorstTokens()], documents: documents)
        return Evaluation(
            models: [
                .init(path: "base", bytes: 2, bitsPerWeight: 16),
                .init(path: "m", bytes: 1, bitsPerWeight: 4),
            ],
            hasBase: true, secondBase: nil, precision: "f32", threads: 1, texts: [text])
    }

    @Test(
        "of a perplexity is above 0 however far documents differ, and holds the perplexity in its middle by logarithms"
    )
    func perplexity() throws {
        let nlls = [0.1, 9, 0.2, 8, 0.3, 0.1]
        let intervals = try #require(try evaluation(nlls).intervals())
        for (index, more) in [0, 0.1].enumerated() {
            let interval = try #require(intervals[index].perplexity)
            let mean = nlls.reduce(0, +) / 6 + more
            #expect(interval.lower > 0 && interval.lower < exp(mean) && exp(mean) < interval.upper)
            #expect(abs(log(interval.lower) + log(interval.upper) - 2 * mean) < 1e-9)
            // A symmetric one of the perplexity itself would reach below 0 here.
            #expect(interval.upper > 2 * exp(mean))
        }
        #expect(intervals[0].meanDivergence == nil)
        let divergence = try #require(intervals[1].meanDivergence)
        #expect(divergence.lower < 0.295 && 0.295 < divergence.upper)
    }
}
