import Foundation
import NibbleTestSupport
import Testing

@testable import NibbleEvaluation

@Suite("The page of a comparison")
struct ComparisonPageTests {
    /// A model with a name, a size and a mean divergence.
    private struct Sample {
        var name: String
        var bytes: Int
        var divergence: Double
    }

    /// Made-up figures: every model's tokens diverge by 0.5 to 1.5 times its mean.
    private func evaluation(_ samples: [Sample], texts: [String] = ["text"]) throws -> Evaluation {
        var parts: [Evaluation.Text] = []
        for name in texts {
            var estimates = [PerplexityEstimate()]
            var divergences = [DivergenceStatistics()]
            var positions = [PositionDivergence()]
            for _ in 0..<64 { try estimates[0].add(2) }
            for sample in samples {
                var (estimate, statistics) = (PerplexityEstimate(), DivergenceStatistics())
                let tokens = (0..<64).map { index in
                    TokenDivergence(
                        nll: 2 + sample.divergence, baseNll: 2,
                        divergence: sample.divergence * (0.5 + Double(index) / 63), sameTop: index > 9)
                }
                for token in tokens {
                    try estimate.add(token.nll)
                    try statistics.add(token)
                }
                var position = PositionDivergence()
                position.add(tokens)
                estimates.append(estimate)
                divergences.append(statistics)
                positions.append(position)
            }
            parts.append(
                Evaluation.Text(
                    name: name, tokenCount: 1024, context: 128, stride: nil, chunksPlanned: 1, chunksDone: 1,
                    estimates: estimates, divergences: divergences, secondDivergences: [],
                    positions: positions, worst: estimates.map { _ in WorstTokens() },
                    documents: [
                        .init(name: name, sums: estimates.map { _ in DocumentSums() }, secondSums: [])
                    ]))
        }
        return Evaluation(
            models: [.init(path: "base", bytes: 1000, bitsPerWeight: 16)]
                + samples.map { .init(path: $0.name, bytes: $0.bytes, bitsPerWeight: 4.5) },
            hasBase: true, secondBase: nil, precision: "f32", threads: 2, texts: parts)
    }

    private func page(_ samples: [Sample], texts: [String] = ["text"]) throws -> String {
        let evaluation = try evaluation(samples, texts: texts)
        return ComparisonPage(
            [evaluation], rows: [evaluation.rows], passages: [], facts: [("command", "nibble <compare>")]
        )
        .html
    }

    private static let three = [
        Sample(name: "plain.gguf", bytes: 300, divergence: 0.3),
        Sample(name: "trained.gguf", bytes: 301, divergence: 0.04),
        Sample(name: "large.gguf", bytes: 500, divergence: 0.002),
    ]

    @Test("says which model to take, what it gains, and what a larger one would")
    func finding() throws {
        let html = try page(Self.three)
        let finding = try #require(html.firstMatch(of: /<p class="finding">(.*?)<\/p>/.dotMatchesNewlines()))
        let text = String(finding.1).replacing(/<[^>]*>/, with: "")
        #expect(
            text.hasPrefix("trained.gguf loses least of the files of its size, 301 B: 0.0400 nats"), "\(text)"
        )
        #expect(text.contains("87 % less than plain.gguf"), "\(text)")
        #expect(text.contains("A larger file, large.gguf of 500 B, diverges by 0.00200."), "\(text)")
    }

    @Test("shows no figure that the comparison does not have")
    func figures() throws {
        let evaluation = try evaluation(Self.three, texts: ["a", "b"])
        let html = ComparisonPage([evaluation], rows: [evaluation.rows], passages: [], facts: []).html
        var values: Set<Double> = []
        for part in [evaluation] + evaluation.texts.indices.map(evaluation.restricted(toText:)) {
            for row in part.rows {
                let figures: [Double?] = [
                    Double(row.bytes), row.bitsPerWeight, row.perplexity.value, row.perplexity.error,
                    row.difference?.value, row.difference?.error, row.meanDivergence?.value,
                    row.meanDivergence?.error, row.medianDivergence, row.divergence99, row.divergence999,
                    row.farShare, row.sameTop?.value,
                ]
                values.formUnion(figures.compactMap { $0 })
            }
            values.formUnion([Double(part.documentCount)])
            values.formUnion(part.textAverages.compactMap { $0?.meanDivergence })
            values.formUnion(
                ReportFinding(part.rows).candidates.flatMap { [$0.interval.lower, $0.interval.upper] })
        }
        let found = html.matches(of: /<data value="([^"]*)">/).compactMap { Double($0.1) }
        #expect(found.count > 40)
        let unknown = found.filter { !values.contains($0) }
        #expect(unknown.isEmpty)
    }

    @Test("escapes names of models and texts, and needs neither network nor script")
    func escaping() throws {
        let bad = "<script>alert('x')</script>&\"\u{1}.gguf"
        let html = try page([Sample(name: bad, bytes: 300, divergence: 0.1)], texts: [bad, "</style>"])
        #expect(!html.contains("<script") && !html.contains("</style>\"") && !html.contains("\u{1}"))
        #expect(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"))
        #expect(html.contains("nibble &lt;compare&gt;"))
        #expect(html.components(separatedBy: "</style>").count == 2)
        for word in ["http://", "https://", "src=", "url(", "@import"] {
            #expect(!html.contains(word), "\(word)")
        }
    }

    @Test("of hundreds of models labels the best and shows all in the table", arguments: [1, 2, 7, 300])
    func many(count: Int) throws {
        let samples = (0..<count).map {
            Sample(
                name: "model \($0).gguf", bytes: 300 + $0 % 17,
                divergence: 0.1 + Double($0 * 7919 % 997) / 1000)
        }
        let html = try page(samples)
        for sample in samples { #expect(html.contains("<th scope=\"row\">\(sample.name)</th>")) }
        #expect(html.matches(of: /class="label"/).count <= 17)
        #expect(html.matches(of: /class="swatch/).count <= 2 * ReportPlots.lineLimit)
        // All that is opened is closed.
        var open: [Substring] = []
        for tag in html.matches(of: /<(\/?)([a-z0-9]+)[^>]*?(\/?)>/) where tag.2 != "meta" && tag.3.isEmpty {
            if tag.1.isEmpty { open.append(tag.2) } else { #expect(open.popLast() == tag.2) }
        }
        #expect(open.isEmpty)
    }

    @Test("of models that lose nothing, or of one that gives no figure, is a page all the same")
    func edges() throws {
        let same = try page([
            Sample(name: "a.gguf", bytes: 300, divergence: 0),
            Sample(name: "b.gguf", bytes: 300, divergence: 0),
        ])
        #expect(same.contains("a.gguf") && !same.contains("nan") && !same.contains("inf\""))
        #expect(try page([]).contains("Nothing was compared."))
    }

    @Test(
        "Axes mark round values within their range",
        arguments: [
            (0.001, 0.5), (0.2, 0.3), (3, 4), (1e-7, 1e3), (0, 0.2), (-1, 1), (0.1791, 0.1796), (5, 5.0001),
        ])
    func axes(low: Double, high: Double) {
        let logarithmic = low > 0 ? [Axis(logarithmic: [low, high], title: "")] : []
        for axis in [Axis(linear: [low, high], title: "")] + logarithmic {
            #expect(axis.ticks.count >= 2 && axis.ticks.count <= 14, "\(axis.ticks)")
            for tick in axis.ticks {
                #expect(tick >= axis.range.lowerBound - 1e-9 && tick <= axis.range.upperBound + 1e-9)
                #expect(!axis.label(tick).isEmpty)
            }
            #expect(
                Set(axis.ticks.map(axis.label)).count == axis.ticks.count, "\(axis.ticks.map(axis.label))")
            #expect(axis.place(low) < axis.place(high))
        }
    }

    @Test("Names in pictures lack what all have in common, from sign to sign")
    func short() {
        #expect(
            ReportFinding.short(["gemma-3.q4_0.gguf", "gemma-3.q4_0-trained.gguf", "gemma-3.q8_0.gguf"])
                == ["q4_0", "q4_0-trained", "q8_0"])
        #expect(ReportFinding.short(["a.gguf"]) == ["a.gguf"] && ReportFinding.short([]) == [])
        #expect(ReportFinding.short(["a.x.gguf", "a.y.gguf"]) == ["x", "y"])
        #expect(ReportFinding.short(["x.gguf", "y"]) == ["x.gguf", "y"])
        #expect(ReportFinding.short(["m.gguf", "m.q.gguf"]) == ["m.gguf", "m.q.gguf"])
    }

    @Test("Figures are rounded as they are read")
    func rounding() {
        #expect(Markup.fixed(0.04999, 2) == "0.05" && Markup.fixed(-1.005, 1) == "-1.0")
        #expect(Markup.fixed(12, 0) == "12" && Markup.fixed(0.0004, 2) == "0.00")
        #expect(Markup.significant(0.0451234) == "0.0451" && Markup.significant(123.4) == "123")
        #expect(Markup.significant(0) == "0" && Markup.significant(1.5) == "1.50")
    }
}
