import NibbleNumerics
import NibbleTensor
import NibbleTestSupport
import Testing

@Suite("Gradients of operations")
struct OperationGradientTests {
    /// Largest difference in F32, relative to the largest gradient of the input: sums of up to 260 terms.
    static let f32Bound = 1e-5
    /// The same in BF16: two operands of each product rounded by up to 2^-9, in products of two passes; errors of
    /// both signs.
    static let bf16Bound = 8 * Bound.bf16Rounding

    @Test(
        "are central differences of the operation in Double", arguments: KernelLevel.available,
        OperationCase.all)
    func f32(level: KernelLevel, operation: OperationCase) {
        for size in OperationCase.Size.all {
            check(
                operation, size, Compute(threads: 2, precision: .f32, level: level), bound: Self.f32Bound)
        }
    }

    @Test(
        "are these up to the rounding of BF16",
        .enabled(if: Precision.bf16.isSupported, "\(Precision.bf16Reason)"), arguments: OperationCase.all)
    func bf16(operation: OperationCase) {
        for size in OperationCase.Size.all {
            check(operation, size, Compute(threads: 2, precision: .bf16), bound: Self.bf16Bound)
        }
    }

    @Test(
        "have the same bits where the operation is computed again", arguments: Precision.supported,
        OperationCase.all.filter { $0.inputs.count == 1 })
    func recomputed(precision: Precision, operation: OperationCase) {
        let compute = Compute(threads: 2, precision: precision)
        for size in OperationCase.Size.all {
            let kept = Sample(operation, size, compute)
            let again = Sample(operation, size, compute)
            let expected = kept.gradients(operation, size, compute)
            compute.poison()
            let found = again.gradients(operation, size, compute) { x, tape in
                compute.recomputing(x[0], tape: tape) {
                    operation.run(compute, size, [$0], again.parameters, $1 ?? Tape(compute))
                }
            }
            for (a, b) in zip(expected.inputs + expected.parameters, found.inputs + found.parameters) {
                #expect(a.map(\.bitPattern) == b.map(\.bitPattern), "\(size.testDescription)")
            }
        }
    }

    @Test(
        "of parameters add up from pass to pass",
        arguments: OperationCase.all.filter { !$0.parameters.isEmpty })
    func accumulated(operation: OperationCase) {
        let compute = Compute(threads: 2, precision: .f32)
        let size = OperationCase.Size(sequences: 2, length: 40)
        let sample = Sample(operation, size, compute)
        let once = sample.gradients(operation, size, compute)
        let twice = sample.gradients(operation, size, compute, passes: 2)
        for (a, b) in zip(once.parameters, twice.parameters) {
            let largest = a.reduce(0) { max($0, abs($1)) }
            for (a, b) in zip(a, b) { #expect(abs(2 * a - b) <= largest * 1e-5) }
        }
    }

    // MARK: -

    private func check(
        _ operation: OperationCase, _ size: OperationCase.Size, _ compute: Compute, bound: Double
    ) {
        compute.poison()
        let sample = Sample(operation, size, compute)
        let found = sample.gradients(operation, size, compute)
        #expect(found.paddingIsZero, "\(size.testDescription)")
        var comparison = Comparison()
        for (index, gradient) in (found.inputs + found.parameters).enumerated() {
            let expected = sample.differences(operation, size, input: index, count: gradient.count)
            // Of an entry that is nothing next to what it is summed from: at least the step's own size.
            let largest = expected.reduce(1e-3) { max($0, abs($1.value)) }
            for (entry, value) in expected {
                comparison.add(
                    gradient[entry], value, bound: bound * largest,
                    "\(size.testDescription), input \(index), entry \(entry)")
            }
        }
        comparison.check()
    }

    /// Inputs, parameters and the gradient of the result.
    private final class Sample {
        let inputs: [[[[Float]]]]
        let parameters: [ParameterValues]
        private let upstream: [Float]

        init(_ operation: OperationCase, _ size: OperationCase.Size, _ compute: Compute) {
            var random = SeededGenerator(seed: UInt64(size.length))
            inputs = operation.inputs.map { features in
                (0..<size.sequences).map { _ in (0..<size.length).map { _ in random.normal(features) } }
            }
            parameters = operation.parameters.enumerated().map { index, shape in
                ParameterValues(
                    name: "\(index)", columns: shape.columns,
                    values: random.normal(shape.count, scale: 0.3))
            }
            upstream = random.normal(size.sequences * size.length * 70)
        }

        /// The gradient of a value of the result, in the order of its tokens.
        private func upstream(_ token: Int, _ feature: Int) -> Float { upstream[token * 70 + feature] }

        func gradients(
            _ operation: OperationCase, _ size: OperationCase.Size, _ compute: Compute, passes: Int = 1,
            run: (([Tensor], Tape) -> Tensor)? = nil
        ) -> (inputs: [[Float]], parameters: [[Float]], paddingIsZero: Bool) {
            let sums = Gradients(compute: compute)
            var result: [[Float]] = []
            var paddingIsZero = true
            for _ in 0..<passes {
                // What padding holds does not count as long as it is finite.
                let x = inputs.map { compute.tensor($0, padding: 100) }
                let tape = Tape(compute)
                let y = run?(x, tape) ?? operation.run(compute, size, x, parameters, tape)
                let dy = compute.tensor(features: y.features, layout: y.layout)
                dy.fill(0)
                for sequence in 0..<y.layout.sequences {
                    for position in 0..<y.layout.length {
                        let token = sequence * y.layout.length + position
                        let values = (0..<y.features).map { upstream(token, $0) }
                        dy.setColumn(sequence: sequence, position: position, to: values.span)
                    }
                }
                let found = tape.backpropagate([(y, dy)], to: x, into: sums)
                result = found.map { $0?.batch.flatMap { $0.flatMap { $0 } } ?? [] }
                for case let tensor? in found { paddingIsZero = paddingIsZero && tensor.paddingIsZero }
            }
            return (result, parameters.map { sums[$0.parameter].map { Array($0) } ?? [] }, paddingIsZero)
        }

        /// Central differences for some entries of an input or, behind the inputs, of a parameter.
        func differences(
            _ operation: OperationCase, _ size: OperationCase.Size, input: Int, count: Int
        ) -> [(entry: Int, value: Double)] {
            let inputs = self.inputs.map { $0.map { $0.map { $0.map(Double.init) } } }
            let values = parameters.map { $0.values.map(Double.init) }
            func loss(_ entry: Int, _ step: Double) -> Double {
                var (x, p) = (inputs, values)
                if input < x.count {
                    let features = x[input][0][0].count
                    let token = entry / features
                    x[input][token / size.length][token % size.length][entry % features] += step
                } else {
                    p[input - x.count][entry] += step
                }
                var sum = 0.0
                for (token, y) in operation.reference(size, x, p).joined().enumerated() {
                    for (feature, value) in y.enumerated() { sum += value * Double(upstream(token, feature)) }
                }
                return sum
            }
            // Errors of the step squared and of 2^-53 of the loss by the step: 1e-9.
            let step = 1e-5
            return stride(from: 0, to: count, by: max(1, count / 40)).map { entry in
                (entry, (loss(entry, step) - loss(entry, -step)) / (2 * step))
            }
        }
    }
}

extension Tensor {
    /// Whether all values past the last token of a sequence are 0.
    fileprivate var paddingIsZero: Bool {
        for panel in 0..<layout.panels {
            let first = panel % layout.panelsPerSequence * layout.width
            for feature in 0..<features {
                for lane in 0..<layout.width where first + lane >= layout.length {
                    if self.panel(panel)[feature * layout.width + lane] != 0 { return false }
                }
            }
        }
        return true
    }
}
