import Foundation
import NibbleCheckpoint
import NibbleEvaluation
import Testing

@Suite("Perplexity and its error")
struct PerplexityEstimateTests {
    @Test("Three tokens, by hand")
    func threeTokens() throws {
        // mean = (1 + 2 + 6) / 3 = 3, variance = (1 + 4 + 36) / 3 - 9 = 14/3, error = √(14/3 / 2) = √(7/3)
        var estimate = PerplexityEstimate()
        for value in [1.0, 2, 6] { try estimate.add(value) }
        #expect(estimate.count == 3)
        #expect(estimate.mean == 3)
        #expect(abs(estimate.variance - 14.0 / 3) < 1e-12)
        #expect(abs(estimate.standardError - (7.0 / 3).squareRoot()) < 1e-12)
        #expect(abs(estimate.perplexity - 20.085536923187668) < 1e-12)
        #expect(abs(estimate.perplexityError - exp(3) * (7.0 / 3).squareRoot()) < 1e-12)
    }

    @Test("No token has no perplexity, one token no error, equal tokens an error of 0")
    func few() throws {
        var estimate = PerplexityEstimate()
        #expect(estimate.perplexity.isNaN && estimate.perplexityError.isNaN && estimate.variance.isNaN)
        try estimate.add(0.1)
        #expect(estimate.perplexity == exp(0.1))
        #expect(estimate.perplexityError.isNaN)
        for _ in 0..<6 { try estimate.add(0.1) }
        // The rounding of 7 · 0.1² / 7 - 0.1² may be negative; the root of it would be NaN.
        #expect(estimate.standardError < 1e-8)
    }

    @Test("Parts merged in order are the whole")
    func merge() throws {
        var parts = [PerplexityEstimate](repeating: PerplexityEstimate(), count: 4)
        var whole = PerplexityEstimate()
        for (index, value) in [2.0, 3.5, 1.25, 0, 7, 4.5, 0.75].enumerated() {
            try parts[index / 2].add(value)
            try whole.add(value)
        }
        // Sums of few binary digits are exact, so that the order does not matter.
        #expect(PerplexityEstimate.pooled(parts) == whole)
        #expect(PerplexityEstimate.pooled([PerplexityEstimate]()) == PerplexityEstimate())
    }

    @Test("NaN and infinity are errors that name the token", arguments: [Double.nan, .infinity, -.infinity])
    func notFinite(value: Double) throws {
        var estimate = PerplexityEstimate()
        try estimate.add(1)
        let before = estimate
        let error = #expect(throws: EvaluationError.self) { try estimate.add(value) }
        #expect(error?.description.hasPrefix("scored token 1: the negative log likelihood is ") == true)
        #expect(error?.checkpointError(path: "m.gguf").code == .invalidValue)
        #expect(estimate == before)
    }

    @Test("The base model's recorded tokens give the estimate that llama-perplexity printed")
    func recorded() throws {
        let recorded = try RecordedDivergence.read()
        var estimate = PerplexityEstimate()
        for chunk in 0..<recorded.chunks {
            for record in recorded.records(chunk: chunk) { try estimate.add(record.token.baseNll) }
            let printed = try #require(Double(recorded.running[chunk]))
            // The records of the base model went through 16 bits: a unit in the last place of ln p is 1e-4.
            #expect(abs(estimate.perplexity / printed - 1) < 1e-4)
        }
        let numbers = recorded.base.split(separator: " ").compactMap { Double($0) }
        #expect(abs(estimate.perplexityError / numbers[1] - 1) < 1e-4)
    }
}
