import CKernels
import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Gradients of operations that PyTorch recorded")
struct RecordedOperationTests {
    /// Largest difference, relative to the largest gradient: of a few dozen roundings.
    static let bound: Float = 1e-5

    @Test("the norm", arguments: KernelLevel.available, [OperationFixtures.Name.rmsNorm, .rmsNormSmall])
    func norm(level: KernelLevel, name: OperationFixtures.Name) throws {
        let fixture = OperationFixtures.named(name)
        let compute = Compute(threads: 2, precision: .f32, level: level)
        let weight = fixture.input("weight").values
        let parameter = ParameterValues(name: "weight", columns: weight.count, values: weight)
        let epsilon = try #require(fixture.epsilon)
        check(fixture, ["x"], compute, parameter: parameter) { x, tape in
            compute.normalize(x[0], weight: parameter.vector, epsilon: epsilon, tape: tape)
        }
    }

    @Test(
        "rotary embeddings", arguments: KernelLevel.available,
        [OperationFixtures.Name.rotaryHalves, .rotaryNeighbours])
    func rotary(level: KernelLevel, name: OperationFixtures.Name) throws {
        let fixture = OperationFixtures.named(name)
        let compute = Compute(threads: 2, precision: .f32, level: level)
        let shape = fixture.input("x").shape
        let frequencies = RotaryAngles.frequencies(base: try #require(fixture.base), head: shape[2])
        let angles = compute.rotaryAngles(
            layout: compute.layout(sequences: 1, length: shape[0]), frequencies: frequencies,
            isInterleaved: name == .rotaryNeighbours)
        check(fixture, ["x"], compute) { x, tape in
            compute.prepareHeads(x[0], head: shape[2], norm: nil, epsilon: 0, rotary: angles, tape: tape)
        }
    }

    @Test(
        "attention, with its scale on the queries", arguments: KernelLevel.available,
        [OperationFixtures.Name.attention, .attentionWindow])
    func attention(level: KernelLevel, name: OperationFixtures.Name) throws {
        let fixture = OperationFixtures.named(name)
        let compute = Compute(threads: 2, precision: .f32, level: level)
        let shape = fixture.input("key").shape
        let (length, heads, head) = (shape[0], shape[1], shape[2])
        // No rotation.
        let angles = compute.rotaryAngles(
            layout: compute.layout(sequences: 1, length: length),
            frequencies: [Float](repeating: 0, count: head / 2), isInterleaved: false)
        let scale = try #require(fixture.scale)
        check(fixture, ["query", "key", "value"], compute) { x, tape in
            let query = compute.prepareHeads(
                x[0], head: head, norm: nil, epsilon: 0, rotary: angles, scale: scale, tape: tape)
            let cache = compute.keyValueCache(sequences: 1, positions: length, heads: heads, head: head)
            return compute.attention(
                query: query, key: x[1], value: x[2], cache: cache, window: fixture.window, tape: tape)
        }
    }

    @Test("gates", arguments: KernelLevel.available, [OperationFixtures.Name.siluGate, .geluGate])
    func gate(level: KernelLevel, name: OperationFixtures.Name) {
        let fixture = OperationFixtures.named(name)
        let activation = name == .siluGate ? NIBBLE_ACTIVATION_SILU : NIBBLE_ACTIVATION_GELU_TANH
        var (gate, up) = (padded(fixture.input("gate").values), padded(fixture.input("up").values))
        let dy = padded(fixture.upstream.values)
        nibble_gate_backward(&gate, &up, dy, dy.count, Int32(activation), level.number)
        let count = fixture.upstream.values.count
        compare(Array(gate[..<count]), fixture, "gate")
        compare(Array(up[..<count]), fixture, "up")
    }

    @Test("the soft cap", arguments: KernelLevel.available)
    func softcap(level: KernelLevel) throws {
        let fixture = OperationFixtures.named(.softcap)
        let cap = try #require(fixture.cap)
        var (y, dy) = (padded(fixture.input("x").values), padded(fixture.upstream.values))
        nibble_softcap(&y, y.count, cap, level.number)
        nibble_softcap_backward(y, &dy, dy.count, cap, level.number)
        compare(Array(dy[..<fixture.upstream.values.count]), fixture, "x")
    }

    // MARK: -

    /// Runs an operation on inputs, and compares the gradients of all of them.
    private func check(
        _ fixture: OperationFixtures.Case, _ inputs: [String], _ compute: Compute,
        parameter: ParameterValues? = nil, _ run: ([Tensor], Tape) -> Tensor
    ) {
        let x = inputs.map { tensor(fixture.input($0), compute) }
        let tape = Tape(compute)
        let y = run(x, tape)
        let gradients = Gradients(compute: compute)
        let found = tape.backpropagate([(y, tensor(fixture.upstream, compute))], to: x, into: gradients)
        for (name, gradient) in zip(inputs, found) {
            compare(gradient.map { Array($0.batch.joined().joined()) } ?? [], fixture, name)
        }
        if let parameter {
            compare(gradients[parameter.parameter].map { Array($0) } ?? [], fixture, "weight")
        }
    }

    /// The tokens of a fixture, whatever is behind the first extent.
    private func tensor(_ fixture: FixtureTensor, _ compute: Compute) -> Tensor {
        let width = fixture.values.count / fixture.shape[0]
        let tokens = stride(from: 0, to: fixture.values.count, by: width).map {
            Array(fixture.values[$0..<$0 + width])
        }
        return compute.tensor([tokens], padding: 0)
    }

    private func compare(_ found: [Float], _ fixture: OperationFixtures.Case, _ input: String) {
        let expected = fixture.gradient(of: input).values
        let largest = expected.reduce(0) { max($0, abs($1)) }
        #expect(found.count == expected.count)
        let worst = zip(found, expected).reduce(Float(0)) { worst, pair in
            let difference = abs(pair.0 - pair.1)
            return difference.isNaN ? .infinity : max(worst, difference)
        }
        #expect(worst <= Self.bound * largest, "\(fixture), \(input): \(worst / largest)")
    }

    /// Whole vectors.
    private func padded(_ values: [Float]) -> [Float] {
        values + [Float](repeating: 0, count: (16 - values.count % 16) % 16)
    }
}
