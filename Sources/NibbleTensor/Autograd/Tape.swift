/// The operations of a forward pass in their order, each with what its derivative needs.
///
/// Operations of ``Compute`` that are given a tape record themselves and leave their arguments as they are; without
/// one they may work in place. ``backpropagate(_:into:)`` walks the tape back once, and lets go of what an operation
/// kept as soon as its gradient has passed.
///
/// ```swift
/// let tape = Tape(compute)
/// let y = compute.linear(compute.operand(x, for: weight), weight, tape: tape)
/// let gradients = Gradients(compute: compute)
/// tape.backpropagate([(y, dy)], into: gradients)
/// ```
public final class Tape {
    /// Takes the gradient of an operation's result to those of its arguments and parameters.
    typealias Backward = (_ gradient: Tensor, inout Adjoints, Gradients) -> Void

    private let compute: Compute
    private var records: [(output: Tensor, backward: Backward)] = []

    /// An empty tape.
    public init(_ compute: Compute) { self.compute = compute }

    /// Adds an operation whose result is `output`.
    func record(_ output: Tensor, _ backward: @escaping Backward) { records.append((output, backward)) }

    /// Adds the gradients of all parameters to `gradients`, given those of some tensors. The tape is empty afterwards.
    ///
    /// - Parameter seeds: tensors of the pass and their gradients, which are changed; zero in padding.
    public func backpropagate(_ seeds: [(tensor: Tensor, gradient: Tensor)], into gradients: Gradients) {
        _ = backpropagate(seeds, to: [], into: gradients)
    }

    /// The same; returns the gradients of `inputs`, nil where none has reached one.
    package func backpropagate(
        _ seeds: [(tensor: Tensor, gradient: Tensor)], to inputs: [Tensor], into gradients: Gradients
    ) -> [Tensor?] {
        var adjoints = Adjoints(compute: compute)
        for seed in seeds { adjoints.add(seed.gradient, to: seed.tensor) }
        while let (output, backward) = records.popLast() {
            guard let gradient = adjoints.take(output) else { continue }
            backward(gradient, &adjoints, gradients)
        }
        return inputs.map { adjoints.take($0) }
    }
}

extension Compute {
    /// Computes `body`, of which only the argument is kept for the way back: there it is computed again (Chen et al.
    /// 2016, "Training deep nets with sublinear memory cost"). Without a tape it is just called.
    ///
    /// - Parameter body: gives the same result for the same argument, on the tape it is given.
    public func recomputing(
        _ x: Tensor, tape: Tape?, _ body: @escaping (Tensor, Tape?) -> Tensor
    ) -> Tensor {
        guard let tape else { return body(x, nil) }
        // Without a tape the body works in place.
        let y = body(copy(x), nil)
        tape.record(y) { [self] dy, adjoints, gradients in
            let inner = Tape(self)
            let output = body(x, inner)
            for case let dx? in inner.backpropagate([(output, dy)], to: [x], into: gradients) {
                adjoints.add(dx, to: x)
            }
        }
        return y
    }

    /// The same values in memory of their own.
    public func copy(_ x: Tensor) -> Tensor {
        let y = tensor(features: x.features, layout: x.layout)
        workers.forEach(x.layout.panels) { panel in
            y.panel(panel).update(from: x.panel(panel), count: x.panelCount)
        }
        return y
    }
}
