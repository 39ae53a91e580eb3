import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Distillation in slices")
struct DistillationTests {
    /// Differences of the head's gradient, relative to its largest entry: sums over slices instead of one sum.
    static let bound: Float = 1e-5

    @Test("holds logits for a cached teacher everywhere, for a live one where there are no tiles")
    func scratch() {
        for usesTiles in [true, false] {
            let compute = Compute(threads: 1, precision: .automatic, usesTiles: usesTiles)
            let (cached, live) = (true, false)
            let bytes = [cached, live].map {
                compute.distillationScratch(tokens: 64, vocabularySize: 1000, features: 32, isCached: $0)
            }
            // A tile's panels are all held at a time, so that partial sums are equal.
            #expect(bytes[0] - bytes[1] == (compute.hasTiles ? 2 * 64 * 1000 * 4 : 0))
        }
    }

    @Test(
        "gives the same gradients whatever is held at a time", arguments: Precision.supported,
        [nil, 20] as [Float?])
    func slices(precision: Precision, softcap: Float?) throws {
        // Rows that fill neither slabs nor pairs, tokens that fill no panel.
        let (vocabulary, features, tokens) = (301, 40, 300)
        var random = SeededGenerator(seed: 12)
        let compute = Compute(threads: 2, precision: precision)
        func states() -> Tensor {
            compute.tensor([(0..<tokens).map { _ in random.normal(features) }], padding: 3)
        }
        let (student, teacher) = (states(), states())
        let weights = [1, 2].map { _ in
            ParameterValues(
                name: "head", columns: features, values: random.normal(vocabulary * features, scale: 0.3))
        }
        let targets = (0..<tokens).map { Int32(($0 * 37) % vocabulary) }
        var loss = DistillationLoss()
        (loss.temperature, loss.crossEntropy, loss.reverseKL, loss.tokenClip) = (2, 0.3, 0.2, 6)
        loss.negligible = 0
        var runs: [(result: DistillationLoss.Result, states: [[Float]], head: [Float])] = []
        for bytes in [Int.max, 2 * 4 * vocabulary * 32 * 5, 1, nil] {
            compute.poison()
            let gradients = Gradients(compute: compute)
            let (result, gradient) = try #require(
                compute.distill(
                    student, head: weights[0].matrix(),
                    teacher: .live(states: teacher, head: weights[1].matrix()),
                    softcap: softcap, targets: targets, loss: loss, weight: 0.5, gradients: gradients,
                    holding: bytes))
            runs.append(
                (result, gradient.batch[0], Array(try #require(gradients[weights[0].parameter]))))
        }
        #expect(runs[0].result.tokens == tokens)
        #expect(runs[0].result.clipped > 0 && runs[0].result.clipped < tokens)
        let largest = runs[0].head.reduce(0) { max($0, abs($1)) }
        #expect(largest > 0)
        for run in runs.dropFirst() {
            #expect(abs(run.result.loss - runs[0].result.loss) <= 1e-12 * runs[0].result.loss)
            #expect(run.result.clipped == runs[0].result.clipped && run.result.tokens == tokens)
            let isSame = run.states == runs[0].states
            #expect(isSame)
            let worst = zip(run.head, runs[0].head).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(
                run.head.allSatisfy { $0.isFinite } && worst <= Self.bound * largest, "\(worst / largest)")
        }
    }
}
