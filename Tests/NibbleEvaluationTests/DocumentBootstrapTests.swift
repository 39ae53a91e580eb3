import Foundation
import NibbleTestSupport
import Testing

@testable import NibbleEvaluation

@Suite("Intervals over documents")
struct DocumentBootstrapTests {
    /// Documents of which sums are known: (sum of one model's values, sum of another's, tokens).
    private static func population(_ count: Int, _ random: inout SeededGenerator) -> [[Double]] {
        (0..<count).map { _ in
            let tokens = Double(Int.random(in: 1...12, using: &random) * 255)
            // Means that differ by a third from document to document, and by less between two models.
            let level = exp(0.3 * Double(random.normal()))
            let first = 0.30 * level * exp(0.05 * Double(random.normal()))
            let second = 0.05 * level * exp(0.15 * Double(random.normal()))
            return [first * tokens, second * tokens, tokens]
        }
    }

    private static func sums(_ documents: [[Double]]) -> [Double] {
        documents.reduce([0, 0, 0]) { [$0[0] + $1[0], $0[1] + $1[1], $0[2] + $1[2]] }
    }

    /// Figures that a comparison gives.
    private static let figures: [(name: String, figure: @Sendable ([Double]) -> Double)] = [
        ("mean", { $0[1] / $0[2] }), ("ratio of perplexities", { exp(($0[0] - $0[1]) / $0[2]) }),
        ("share won back", { ($0[0] - $0[1]) / $0[0] }), ("paired difference", { ($0[1] - $0[0]) / $0[2] }),
    ]

    /// Of 1,000 intervals of 95 % as many hold the true value as should, give or take what chance does.
    @Test("hold the true value in 93 to 97 % of 1,000 draws of known documents", arguments: [12, 30])
    func coverage(documents: Int) throws {
        var random = SeededGenerator(seed: 11)
        let all = Self.population(400, &random)
        let bootstrap = try #require(DocumentBootstrap(documents: [documents]))
        for (name, figure) in Self.figures {
            let truth = figure(Self.sums(all))
            var held = 0
            for _ in 0..<1000 {
                let drawn = (0..<documents).map { _ in all[Int.random(in: all.indices, using: &random)] }
                let interval = try #require(bootstrap.interval(of: drawn, figure))
                #expect(
                    interval.lower < figure(Self.sums(drawn)) && figure(Self.sums(drawn)) < interval.upper)
                if interval.lower <= truth, truth <= interval.upper { held += 1 }
            }
            #expect((930...970).contains(held), "\(name) of \(documents) documents: \(held)")
        }
    }

    @Test("of an average of texts hold it, too")
    func average() throws {
        var random = SeededGenerator(seed: 12)
        let texts = [Self.population(300, &random), Self.population(300, &random)]
        let counts = [10, 16]
        let bootstrap = try #require(DocumentBootstrap(documents: counts))
        func figure(_ sums: [Double]) -> Double { (sums[1] / sums[2] + sums[4] / sums[5]) / 2 }
        let truth = figure(texts.flatMap(Self.sums))
        var held = 0
        for _ in 0..<1000 {
            let drawn = zip(texts, counts).flatMap { text, count in
                (0..<count).map { _ in text[Int.random(in: text.indices, using: &random)] }
            }
            let interval = try #require(bootstrap.interval(of: drawn, byText: true, figure))
            if interval.lower <= truth, truth <= interval.upper { held += 1 }
        }
        #expect((930...970).contains(held), "\(held)")
    }

    /// What is paired is known better than its parts: that is why draws are shared.
    @Test("of a difference of what goes together are narrow")
    func paired() throws {
        var random = SeededGenerator(seed: 13)
        let documents = Self.population(30, &random).map { [$0[0], $0[0] * 1.01, $0[2]] }
        let bootstrap = try #require(DocumentBootstrap(documents: [30]))
        let one = try #require(bootstrap.interval(of: documents) { $0[0] / $0[2] })
        let difference = try #require(bootstrap.interval(of: documents) { ($0[1] - $0[0]) / $0[2] })
        #expect(difference.upper - difference.lower < 0.02 * (one.upper - one.lower))
        #expect(difference.lower > 0)
    }

    @Test("are none where documents tell nothing of how they differ")
    func none() throws {
        for documents in [[1], [4], [2, 2], [1, 9], [9, 1]] {
            #expect(DocumentBootstrap(documents: documents) == nil, "\(documents)")
        }
        let bootstrap = try #require(DocumentBootstrap(documents: [3, 2]))
        let same = [[Double]](repeating: [1, 2], count: 5)
        #expect(bootstrap.interval(of: same) { $0[0] / $0[1] } == nil)
        // No finite figure.
        let different = (0..<5).map { [Double($0), 2] }
        #expect(bootstrap.interval(of: different) { _ in .nan } == nil)
        #expect(bootstrap.interval(of: different) { $0[0] / $0[1] } != nil)
    }

    @Test("are the same each time")
    func repeatable() throws {
        var random = SeededGenerator(seed: 14)
        let documents = Self.population(12, &random)
        let intervals = try (0..<2).map { _ in
            try #require(DocumentBootstrap(documents: [5, 7])?.interval(of: documents) { $0[1] / $0[2] })
        }
        #expect(intervals[0] == intervals[1])
    }
}
