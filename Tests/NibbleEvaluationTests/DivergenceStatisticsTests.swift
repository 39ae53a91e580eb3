import Foundation
import NibbleCheckpoint
import NibbleTestSupport
import Testing

@testable import NibbleEvaluation

@Suite("Divergence from a base model")
struct DivergenceStatisticsTests {
    private static let token = TokenDivergence(
        nll: 2, baseNll: 1, divergence: 0.5, probabilityDifference: -0.25, sameTop: true)

    private func statistics(_ tokens: some Sequence<TokenDivergence>) throws -> DivergenceStatistics {
        var statistics = DivergenceStatistics()
        for token in tokens { try statistics.add(token) }
        return statistics
    }

    /// Half of them (2, 1, 0.5, -0.25, true), half (4, 2, 1.5, 0.75, false).
    private func pairs(_ count: Int) -> [TokenDivergence] {
        (0..<count).map {
            $0.isMultiple(of: 2)
                ? Self.token
                : TokenDivergence(
                    nll: 4, baseNll: 2, divergence: 1.5, probabilityDifference: 0.75, sameTop: false)
        }
    }

    @Test("Twenty tokens, by hand")
    func twenty() throws {
        let statistics = try statistics(pairs(20))
        let (e3, e15) = (exp(3.0), exp(1.5))
        func expect(_ estimate: Estimate, _ value: Double, _ error: Double, line: Int = #line) {
            #expect(abs(estimate.value - value) < 1e-12 * max(1, abs(value)), "line \(line)")
            #expect(abs(estimate.error - error) < 1e-12 * max(1, abs(error)), "line \(line)")
        }
        // x̄ = 3, variance (4 + 16) / 2 - 9 = 1, df = √(1 / 19); ȳ = 1.5, variance 0.25, df = √(0.25 / 19)
        expect(statistics.perplexities.perplexity, e3, e3 * (1.0 / 19).squareRoot())
        expect(statistics.perplexities.basePerplexity, e15, e15 * (0.25 / 19).squareRoot())
        // cov = ((2 + 8) / 2 - 3 · 1.5) / 19 = 0.5 / 19: correlation 0.5 / (1 · 0.5) = 1
        #expect(abs(statistics.perplexities.correlation - 1) < 1e-12)
        // variance of the difference: (1 + 0.25 - 2 · 0.5) / 19
        expect(statistics.perplexities.logRatio, 1.5, (0.25 / 19).squareRoot())
        expect(statistics.perplexities.ratio, e15, e15 * (0.25 / 19).squareRoot())
        // (e3² + 0.25 e15² - 2 · 0.5 e3 e15) / 19 = (e3 - 0.5 e15)² / 19
        expect(statistics.perplexities.difference, e3 - e15, (e3 - 0.5 * e15) / 19.0.squareRoot())
        // mean 1, variance (0.25 + 2.25) / 2 - 1 = 0.25
        expect(statistics.meanDivergence, 1, (0.25 / 19).squareRoot())
        // mean 0.25, variance (0.0625 + 0.5625) / 2 - 0.0625 = 0.25
        expect(statistics.meanProbabilityDifference, 0.25, (0.25 / 19).squareRoot())
        // mean square 0.3125, variance (0.0625² + 0.5625²) / 2 - 0.3125² = 0.0625
        let root = 0.3125.squareRoot()
        expect(statistics.rootMeanSquareDifference, root, 0.5 / root * (0.0625 / 19).squareRoot())
        expect(statistics.sameTop, 0.5, (0.25 / 19).squareRoot())
        #expect(statistics.divergencePercentiles.median == 1)
    }

    @Test("Up to ten tokens means have no error, from eleven on they do", arguments: [2, 9, 10, 11, 12])
    func tenTokens(count: Int) throws {
        let statistics = try statistics(pairs(count))
        let perplexities = statistics.perplexities
        for estimate in [
            perplexities.perplexity, perplexities.basePerplexity, perplexities.logRatio,
            perplexities.difference, statistics.meanDivergence, statistics.meanProbabilityDifference,
            statistics.rootMeanSquareDifference,
        ] {
            #expect((estimate.error > 0) == (count > 10), "\(estimate)")
        }
        #expect(perplexities.correlation.isNaN == (count <= 10))
        #expect(statistics.sameTop.error > 0)
    }

    @Test("One token")
    func one() throws {
        let statistics = try statistics([Self.token])
        #expect(statistics.perplexities.perplexity == Estimate(exp(2), error: 0))
        #expect(statistics.perplexities.difference == Estimate(exp(2) - exp(1), error: 0))
        #expect(statistics.meanDivergence == Estimate(0.5, error: 0))
        #expect(statistics.rootMeanSquareDifference == Estimate(0.25, error: 0))
        #expect(statistics.sameTop.value == 1)
        #expect(statistics.sameTop.error.isNaN)
        #expect(statistics.divergencePercentiles.maximum == 0.5)
    }

    @Test("No token has no figures, and its JSON says null")
    func none() {
        let statistics = DivergenceStatistics()
        #expect(statistics.perplexities.perplexity.value.isNaN)
        #expect(statistics.sameTop.value.isNaN)
        #expect(statistics.json["perplexity"]?["value"] == .null)
        #expect(!statistics.json.serialized().contains("nan"))
        #expect(statistics.table.contains("Mean    KLD:        nan ±        nan"))
    }

    @Test("A model equal to the base model differs by nothing, without NaN")
    func equal() throws {
        let tokens = (0..<50).map {
            TokenDivergence(
                nll: 0.1 * Double($0), baseNll: 0.1 * Double($0), divergence: 0, probabilityDifference: 0,
                sameTop: true)
        }
        let statistics = try statistics(tokens)
        #expect(statistics.perplexities.difference.value == 0)
        #expect(statistics.perplexities.difference.error < 1e-6)
        #expect(statistics.perplexities.logRatio.error < 1e-6)
        #expect(statistics.rootMeanSquareDifference == Estimate(0, error: 0))
        #expect(statistics.sameTop == Estimate(1, error: 0))
    }

    @Test("NaN and infinity are errors that name the number and the token, and change nothing")
    func notFinite() throws {
        let paths: [(WritableKeyPath<TokenDivergence, Double>, String)] = [
            (\.nll, "negative log likelihood"), (\.baseNll, "base model's negative log likelihood"),
            (\.divergence, "KL divergence"), (\.probabilityDifference, "difference of probabilities"),
        ]
        for (path, quantity) in paths {
            for value in [Double.nan, .infinity, -.infinity] {
                var statistics = try statistics(pairs(3))
                let before = statistics
                var token = Self.token
                token[keyPath: path] = value
                let error = #expect(throws: EvaluationError.self) { try statistics.add(token) }
                #expect(error?.description.contains("scored token 3: the \(quantity) is \(value)") == true)
                #expect(statistics == before)
            }
        }
    }

    @Test("What a later model wins back of the first one's loss")
    func recovered() {
        #expect(PairedPerplexity.recoveredShare(of: 2, by: 0.5) == 0.75)
        #expect(PairedPerplexity.recoveredShare(of: 2, by: -1) == 1.5)
        #expect(PairedPerplexity.recoveredShare(of: 2, by: 3) == -0.5)
        #expect(PairedPerplexity.recoveredShare(of: 0, by: 1) == nil)
        #expect(PairedPerplexity.recoveredShare(of: -1, by: 1) == nil)
        #expect(PairedPerplexity.recoveredShare(of: .nan, by: 1) == nil)
    }

    @Test("The recorded tokens give the tables that llama-perplexity printed")
    func recordedTable() throws {
        let recorded = try RecordedDivergence.read()
        let statistics = try statistics(recorded.records.map(\.token))
        #expect(statistics.count == 110)
        #expect(RecordedDivergence.agrees(statistics.table, withPrinted: recorded.table))
        // Percentiles are in single precision, as there.
        for part in ["Maximum KLD", "Minimum"] {
            #expect(lines(statistics.table, from: part) == lines(recorded.table, from: part))
        }
    }

    private func lines(_ text: String, from start: String) -> [Substring] {
        Array(text.split(separator: "\n").drop { !$0.hasPrefix(start) })
    }

    @Test("The recorded tokens give the figures of the same formulas in numpy")
    func recordedFigures() throws {
        let recorded = try RecordedDivergence.read()
        let statistics = try statistics(recorded.records.map(\.token))
        let perplexities = statistics.perplexities
        let figures = [
            "perplexity": perplexities.perplexity, "base_perplexity": perplexities.basePerplexity,
            "correlation": Estimate(perplexities.correlation, error: 0), "log_ratio": perplexities.logRatio,
            "ratio": perplexities.ratio, "difference": perplexities.difference,
            "divergence": statistics.meanDivergence,
            "probability_difference": statistics.meanProbabilityDifference,
            "probability_difference_rms": statistics.rootMeanSquareDifference,
            "same_top": statistics.sameTop,
        ]
        #expect(Set(figures.keys) == Set(recorded.figures.keys))
        for (name, expected) in recorded.figures {
            let figure = try #require(figures[name])
            // Sums in another order, and differences of nearly equal sums.
            #expect(abs(figure.value - expected[0]) <= 1e-10 * abs(expected[0]), "\(name)")
            #expect(abs(figure.error - expected[1]) <= 1e-10 * abs(expected[1]), "\(name)")
        }
    }

    @Test("Chunks merged in order give the lines that llama-perplexity printed, and the tables")
    func recordedLines() throws {
        let recorded = try RecordedDivergence.read()
        var whole = DivergenceStatistics()
        for chunk in 0..<recorded.chunks {
            whole.merge(try statistics(recorded.records(chunk: chunk).map(\.token)))
            let line = whole.line(chunk: chunk + 1)
            #expect(RecordedDivergence.agrees(line, withPrinted: recorded.lines[chunk]), "\(line)")
        }
        #expect(RecordedDivergence.agrees(whole.table, withPrinted: recorded.table))
    }

    @Test("JSON has the figures of the table")
    func json() throws {
        let recorded = try RecordedDivergence.read()
        let statistics = try statistics(recorded.records.map(\.token))
        let json = statistics.json
        #expect(json["tokens"] == .integer(110))
        #expect(json["kl_divergence"]?["mean"]?["value"]?.real == statistics.meanDivergence.value)
        #expect(json["kl_divergence"]?["p99.9"]?.real == statistics.divergencePercentiles.value(at: 0.999))
        #expect(json["kl_divergence"]?["p75"] == nil)
        #expect(json["probability_difference"]?.members?.count == 14)
        #expect(json["same_top"]?["value"]?.real == 77.0 / 110)
    }
}
