import NibbleCheckpoint
import NibbleModel
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Generation")
struct GenerationTests {
    private static let precisions = Precision.allCases.filter(\.isSupported)

    private func model(_ name: String, _ precision: Precision) throws -> LanguageModel {
        try LanguageModel(
            ModelCheckpoint(path: Fixtures.path(name)), compute: Compute(threads: 2, precision: precision))
    }

    /// Step by step, sums run in another order, and weights in BF16 meet activations that are not rounded.
    private func bound(_ precision: Precision) -> Float { precision == .f32 ? 1e-4 : 0.05 }

    @Test(
        "Prompts of different lengths, continued token by token, give the logits of the whole text",
        arguments: precisions,
        ["gemma3-window", "llama-rope-biases", "qwen2-biases", "llama-yarn", "qwen2-yarn", "gemma3-yarn"])
    func steps(precision: Precision, name: String) throws {
        let model = try model("hub-logits/" + name, precision)
        let fixture = try #require(LogitFixtures.all.first { $0.name == name })
        let tokens = fixture.tokens.map(Int32.init)
        let starts = [1, 20, 33]
        let state = try GenerationState(model, prompts: starts.map { Array(tokens[..<$0]) }, capacity: 40)
        for step in 0..<7 {
            for (sequence, start) in starts.enumerated() {
                let expected = try model.logits(
                    of: Array(tokens[..<(start + step)]), position: start + step - 1)
                let largest = expected.reduce(0) { max($0, abs($1)) }
                let found = try state.logits[sequence]
                let difference = zip(found, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
                #expect(
                    difference <= bound(precision) * largest, "\(sequence) \(step) \(difference / largest)")
            }
            try state.append(starts.map { tokens[$0 + step] })
        }
        #expect(state.lengths == starts.map { $0 + 7 })
    }

    @Test("Drawn in panels, a sequence is the same whatever grows beside it", arguments: precisions)
    func companions(precision: Precision) throws {
        let model = try model("hub-logits/gemma3-window", precision)
        func draw(_ sequences: Range<Int>) throws -> [[Int32]] {
            let state = try GenerationState(
                model, prompts: sequences.map { [Int32($0 % 5) + 2, 7] }, capacity: 24, isInPanels: true)
            var generators = sequences.map { SeededGenerator(seed: UInt64($0)) }
            var drawn = sequences.map { _ in [Int32]() }
            for _ in 0..<20 {
                let shares = generators.indices.map { Double.random(in: 0..<1, using: &generators[$0]) }
                let tokens = try state.draw(shares, excluding: [3])
                for (index, token) in tokens.enumerated() { drawn[index].append(token) }
                try state.append(tokens)
            }
            return drawn
        }
        let all = try draw(0..<40)
        // The small model is sure of some of its texts.
        #expect(Set(all).count > 20)
        for part in [0..<1, 1..<4, 4..<21, 21..<40] { #expect(try draw(part) == Array(all[part])) }
    }

    @Test("Temperature 0 takes the largest logit, the first of several")
    func greedy() {
        var sampler = Sampler(SamplingOptions(temperature: 0))
        #expect(sampler.next([0, 3, 1, 3]) == 1)
    }

    @Test("Top-k, top-p and temperature give the frequencies that they should")
    func frequencies() {
        // Probabilities 0.5, 0.25, 0.125, 0.125 (log 4, log 2, 0, 0 plus a constant).
        let logits: [Float] = [0, 1.386_294_4, 0.693_147_2, 0]
        func frequencies(_ options: SamplingOptions) -> [Double] {
            var sampler = Sampler(options)
            var counts = [0.0, 0, 0, 0]
            for _ in 0..<40_000 { counts[Int(sampler.next(logits))] += 1 }
            return counts.map { $0 / 40_000 }
        }
        func close(_ found: [Double], _ expected: [Double]) -> Bool {
            // Five standard errors of a share of 1/2.
            zip(found, expected).allSatisfy { abs($0 - $1) < 0.0125 && (($1 == 0) == ($0 == 0)) }
        }
        let thirds: [Double] = [0, 2.0 / 3, 1.0 / 3, 0]
        #expect(close(frequencies(.init(topK: 0, topP: 1, seed: 1)), [0.125, 0.5, 0.25, 0.125]))
        #expect(close(frequencies(.init(topK: 2, topP: 1, seed: 2)), thirds))
        // 0.5 + 0.25 reach 0.75 exactly or nearly; 0.7 needs both, 0.4 the first only.
        #expect(close(frequencies(.init(topK: 0, topP: 0.7, seed: 3)), thirds))
        #expect(close(frequencies(.init(topK: 0, topP: 0.4, seed: 4)), [0, 1, 0, 0]))
        // Temperature 1/2 squares the probabilities: 1, 16, 4, 1 of 22.
        let squared: [Double] = [1, 16, 4, 1].map { $0 / 22 }
        #expect(close(frequencies(.init(temperature: 0.5, topK: 0, topP: 1, seed: 5)), squared))
    }

    @Test("The same seed gives the same tokens, another seed or stream others")
    func seeds() {
        let logits = (0..<1000).map { Float($0 % 7) }
        func draw(_ seed: UInt64, _ stream: Int) -> [Int32] {
            var sampler = Sampler(SamplingOptions(topK: 0, topP: 1, seed: seed), stream: stream)
            return (0..<20).map { _ in sampler.next(logits) }
        }
        #expect(draw(1, 0) == draw(1, 0))
        #expect(draw(1, 0) != draw(2, 0))
        #expect(draw(1, 0) != draw(1, 1))
    }

    @Test("The k best of many are those of a sort", arguments: [1, 2, 3, 10, 64, 299, 300, 400])
    func best(count: Int) {
        var generator = SeededGenerator(seed: 3)
        let logits = (0..<300).map { _ in Float(Int.random(in: 0..<40, using: &generator)) }
        let order = (0..<300).sorted { (logits[$1], $0) < (logits[$0], $1) }
        let allowed = Set(order.prefix(count).map(Int32.init))
        var sampler = Sampler(SamplingOptions(temperature: 50, topK: count, topP: 1, seed: 9))
        var seen: Set<Int32> = []
        for _ in 0..<20_000 { seen.insert(sampler.next(logits)) }
        #expect(seen.isSubset(of: allowed))
        if count <= 64 { #expect(seen == allowed) }
    }
}
