import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite("Distillation from a cached teacher")
struct CachedDistillationTests {
    /// A student, a teacher and what was kept of its probabilities. The vocabulary has three slabs, the last one short.
    struct Sample {
        static let (vocabulary, features, tokens) = (300, 16, 37)
        let states = randomBatch(sequences: 1, length: tokens, features: features, seed: 1)
        let teacherStates = randomBatch(sequences: 1, length: tokens, features: features, seed: 2)
        let head: Weights
        let parameter = Parameter(name: "head", count: vocabulary * features)
        let targets: [Int32]

        init() throws {
            var random = SeededGenerator(seed: 3)
            let rows = (0..<Self.vocabulary).map { _ in random.normal(Self.features, scale: 0.6) }
            head = try Weights(rows: rows)
            targets = (0..<Self.tokens).map { _ in Int32.random(in: 0..<300, using: &random) }
        }

        var trained: Matrix? {
            let bytes = GuardedBytes(head.bytes, slack: 0)
            return Matrix(
                rows: head.rows, columns: head.columns, type: .f32, bytes: bytes.bytes, owner: bytes,
                parameter: parameter)
        }

        func probabilities(_ compute: Compute, temperature: Float, top: Int, softcap: Float?) throws
            -> TeacherProbabilities
        {
            try #require(
                compute.topProbabilities(
                    compute.tensor(teacherStates, padding: 0), head: head.matrix, softcap: softcap,
                    temperature: temperature, top: top))
        }

        /// The result, and the gradients of the states and of the head.
        func run(
            _ compute: Compute, _ loss: DistillationLoss, _ target: DistillationTarget, softcap: Float?
        ) throws -> (DistillationLoss.Result, states: [[Float]], head: [Float]) {
            let gradients = Gradients(compute: compute)
            let head = try #require(trained)
            let (result, gradient) = try #require(
                compute.distill(
                    compute.tensor(states, padding: 0), head: head, teacher: target,
                    softcap: softcap, targets: targets, loss: loss, weight: 1, gradients: gradients))
            return (result, gradient.batch[0], Array(try #require(gradients[parameter])))
        }
    }

    /// The loss as `BucketDivergence` and `DistillationLoss` define it, in Double and by hand.
    static func reference(
        _ states: [[Double]], _ head: [[Double]], _ cached: TeacherProbabilities, _ loss: DistillationLoss,
        softcap: Double?, targets: [Int32]
    ) -> Double {
        let temperature = Double(loss.temperature)
        let epsilon = 0x1p-20
        var sum = 0.0
        for (token, state) in states.enumerated() {
            let logits = head.map { row in
                let logit = zip(row, state).reduce(0.0) { $0 + $1.0 * $1.1 }
                return softcap.map { $0 * tanh(logit / $0) } ?? logit
            }
            func logSum(_ scale: Double) -> Double { log(logits.reduce(0.0) { $0 + exp($1 * scale) }) }
            let (scaled, plain) = (logSum(1 / temperature), logSum(1))
            let entries = token * cached.top..<(token + 1) * cached.top
            var (divergence, own) = (0.0, 0.0)
            for (id, p) in zip(cached.ids[entries], cached.probabilities[entries]) {
                let logProbability = logits[Int(id)] / temperature - scaled
                own += exp(logProbability)
                divergence += Double(p) * (log(Double(p)) - logProbability)
            }
            let tail = Double(cached.tails[token])
            divergence += (tail + epsilon) * log((tail + epsilon) / (1 - own + epsilon))
            let c = Double(loss.crossEntropy)
            sum += (1 - c) * temperature * temperature * divergence
            sum += c * (plain - logits[Int(targets[token])])
        }
        return sum / Double(states.count)
    }

    static let losses: [(temperature: Float, crossEntropy: Float, softcap: Float?, top: Int)] = [
        (1, 0, nil, 5), (2, 0, nil, 20), (1.5, 0.3, nil, 5), (1, 0, 2, 8), (0.7, 0.5, 3, 1), (1, 0, nil, 300),
    ]

    @Test(
        "has the loss of its definition, and the gradient of central differences in Double", arguments: losses
    )
    func gradient(_ each: (temperature: Float, crossEntropy: Float, softcap: Float?, top: Int)) throws {
        let sample = try Sample()
        let compute = Compute(threads: 2, precision: .f32)
        var loss = DistillationLoss()
        (loss.temperature, loss.crossEntropy) = (each.temperature, each.crossEntropy)
        let cached = try sample.probabilities(
            compute, temperature: each.temperature, top: each.top, softcap: each.softcap)
        let (result, states, head) = try sample.run(compute, loss, .cached(cached), softcap: each.softcap)
        var s = sample.states[0].map { $0.map(Double.init) }
        var h = (0..<sample.head.rows).map { sample.head[$0].map(Double.init) }
        func value() -> Double {
            Self.reference(
                s, h, cached, loss, softcap: each.softcap.map(Double.init), targets: sample.targets)
        }
        let expected = value()
        // Float logits.
        #expect(abs(result.loss - expected) <= 1e-5 * max(1, abs(expected)), "\(result.loss), \(expected)")
        let step = 1e-4
        func difference(_ change: (Double) -> Void) -> Double {
            change(step)
            let up = value()
            change(-2 * step)
            let down = value()
            change(step)
            return (up - down) / (2 * step)
        }
        // Differences have an error of step² and of 1e-16 / step; products of Floats one of 1e-6 of the largest.
        let bound = 2e-5 * Double(states.joined().reduce(0) { max($0, abs($1)) })
        for token in [0, 1, 17, 36] {
            for feature in [0, 7, 15] {
                let expected = difference { s[token][feature] += $0 }
                #expect(abs(Double(states[token][feature]) - expected) <= bound, "\(token) \(feature)")
            }
        }
        let headBound = 2e-5 * Double(head.reduce(0) { max($0, abs($1)) })
        let rows = Set([0, 95, 96, 299] + cached.ids.prefix(4).map(Int.init) + [Int(sample.targets[0])])
        for row in rows {
            for feature in [0, 9] {
                let expected = difference { h[row][feature] += $0 }
                #expect(
                    abs(Double(head[row * Sample.features + feature]) - expected) <= headBound,
                    "row \(row) \(feature)")
            }
        }
    }

    @Test("with all of the vocabulary equals a live one")
    func whole() throws {
        let sample = try Sample()
        let compute = Compute(threads: 1, precision: .f32)
        var loss = DistillationLoss()
        loss.crossEntropy = 0.2
        let cached = try sample.probabilities(compute, temperature: 1, top: 300, softcap: nil)
        let live = DistillationTarget.live(
            states: compute.tensor(sample.teacherStates, padding: 0), head: sample.head.matrix)
        let a = try sample.run(compute, loss, .cached(cached), softcap: nil)
        let b = try sample.run(compute, loss, live, softcap: nil)
        // Beside roundings, the tail's ε of 1e-6.
        #expect(abs(a.0.loss - b.0.loss) <= 1e-5 * b.0.loss)
        let largest = b.states.joined().reduce(0) { max($0, abs($1)) }
        for (x, y) in zip(a.states.joined(), b.states.joined()) { #expect(abs(x - y) <= 1e-5 * largest) }
    }

    @Test("has a divergence that grows with the entries, up to that of the vocabulary")
    func growing() throws {
        let sample = try Sample()
        let compute = Compute(threads: 1, precision: .f32)
        var last = 0.0
        for top in [1, 4, 16, 64, 300] {
            let cached = try sample.probabilities(compute, temperature: 1, top: top, softcap: nil)
            let divergence = try sample.run(compute, .init(), .cached(cached), softcap: nil).0.divergence
            #expect(divergence > last, "\(top): \(divergence)")
            last = divergence
        }
    }

    @Test("gives the same bits on any number of threads", arguments: Precision.supported)
    func threads(precision: Precision) throws {
        let sample = try Sample()
        var loss = DistillationLoss()
        (loss.temperature, loss.crossEntropy, loss.tokenClip) = (1.3, 0.2, 0.5)
        let runs = try [1, 2, 5].map { threads in
            let compute = Compute(threads: threads, precision: precision)
            let cached = try sample.probabilities(compute, temperature: 1.3, top: 9, softcap: nil)
            let (result, states, head) = try sample.run(compute, loss, .cached(cached), softcap: nil)
            #expect(result.clipped > 0)
            return (cached, result.loss, states, head)
        }
        for run in runs.dropFirst() { #expect(run == runs[0]) }
    }

    @Test("takes the largest probabilities, of equal ones the first, and the mass of the rest")
    func top() throws {
        // Logits 2, 1, 2, 0, 1 for the one token [1].
        let head = try Weights(rows: [[2], [1], [2], [0], [1]])
        let compute = Compute(threads: 1, precision: .f32)
        let found = try #require(
            compute.topProbabilities(
                compute.tensor([[[1]]], padding: 0), head: head.matrix, softcap: nil, temperature: 2, top: 3))
        #expect(found.ids == [0, 2, 1])
        let sum = 2 * exp(1.0) + 2 * exp(0.5) + 1
        for (p, expected) in zip(found.probabilities, [exp(1.0), exp(1.0), exp(0.5)]) {
            #expect(abs(Double(p) - expected / sum) < 1e-6)
        }
        #expect(abs(Double(found.tails[0]) - (exp(0.5) + 1) / sum) < 1e-6)
        let all = try #require(
            compute.topProbabilities(
                compute.tensor([[[1]]], padding: 0), head: head.matrix, softcap: nil, temperature: 1, top: 5))
        #expect(all.ids == [0, 2, 1, 4, 3])
        #expect(all.tails[0] < 1e-6)
    }
}
