internal import CKernels

extension Compute {
    /// y = W x + bias for every token: `[rows of W]` features.
    public func linear(_ x: Operand, _ weight: Matrix, bias: Vector? = nil, tape: Tape? = nil) -> Tensor {
        check(x, weight)
        let layout = x.tensor.layout
        let y = tensor(features: weight.rows, layout: layout)
        forEachSlab(of: weight, layout) { slab, first, panels in
            slab.multiply(x, panels: panels) { y.panel($0) + first * layout.width }
        }
        if let bias { add(bias, to: y) }
        tape?.record(y) { [self] dy, adjoints, gradients in
            linearBackward(x.tensor, weight, dy: dy, &adjoints, gradients)
            if let parameter = bias?.parameter { addBiasGradient(dy, of: parameter, to: gradients) }
        }
        return y
    }

    /// activation(G x) * (U x) for every token: what a gated feed-forward layer puts between its matrices.
    public func gated(
        _ x: Operand, gate: Matrix, up: Matrix, activation: Activation, tape: Tape? = nil
    ) -> Tensor {
        check(x, gate)
        check(x, up)
        precondition(gate.rows == up.rows, "gate has \(gate.rows) rows, up \(up.rows)")
        let layout = x.tensor.layout
        let y = tensor(features: gate.rows, layout: layout)
        // What the gate's derivative needs: both products.
        let (opened, passed) =
            tape == nil
            ? (y, nil)
            : (tensor(features: gate.rows, layout: layout), tensor(features: gate.rows, layout: layout))
        let kernel = kernel(for: up.type, columns: up.columns)
        forEachSlab(of: gate, layout) { slab, first, panels in
            // The kernel of the other may differ.
            let upSlab = WeightSlab(
                up, first..<first + slab.rows, kernel: kernel, isStep: layout.isStep, compute: self)
            let (count, offset) = (slab.rows * layout.width, first * layout.width)
            let buffer = pool.take(bytes: passed == nil ? Self.gatedPanels * count * 4 : 0)
            for start in stride(from: panels.lowerBound, to: panels.upperBound, by: Self.gatedPanels) {
                let own = start..<min(start + Self.gatedPanels, panels.upperBound)
                let other = { (panel: Int) in
                    passed.map { $0.panel(panel) + offset }
                        ?? buffer.bound(to: Float.self) + (panel - start) * count
                }
                slab.multiply(x, panels: own) { opened.panel($0) + offset }
                upSlab.multiply(x, panels: own, into: other)
                for panel in own {
                    let target = y.panel(panel) + offset
                    if opened !== y { target.update(from: opened.panel(panel) + offset, count: count) }
                    nibble_gate(target, other(panel), count, activation.number, levelNumber)
                }
            }
        }
        if let tape, let passed {
            tape.record(y) { [self] dy, adjoints, gradients in
                workers.forEach(layout.panels) { panel in
                    nibble_gate_backward(
                        opened.panel(panel), passed.panel(panel), dy.panel(panel), dy.panelCount,
                        activation.number, levelNumber)
                }
                linearBackward(x.tensor, gate, dy: opened, &adjoints, gradients)
                linearBackward(x.tensor, up, dy: passed, &adjoints, gradients)
            }
        }
        return y
    }

    /// Panels that pass the gate together: the slabs of both matrices need not fit the second cache side by side.
    private static let gatedPanels = 16

    private func check(_ x: Operand, _ weight: Matrix) {
        precondition(
            x.tensor.features == weight.columns,
            "\(x.tensor.features) features meet a matrix of \(weight.columns) columns")
    }

    /// Calls `body` for all rows of `weight` and all panels: with some rows prepared, the number of the first,
    /// and the panels to multiply them with.
    private func forEachSlab(
        of weight: Matrix, _ layout: PanelLayout,
        _ body: (WeightSlab, _ first: Int, _ panels: Range<Int>) -> Void
    ) {
        let kernel = kernel(for: weight.type, columns: weight.columns)
        let (height, panels) = (WeightSlab.height, layout.panels)
        let slabs = (weight.rows + height - 1) / height
        // Where slabs are few, panels are shared out too, so that all threads have work.
        let groups = min(panels, max(1, (4 * workers.count + slabs - 1) / slabs))
        workers.forEach(slabs * groups) { job in
            let first = job / groups * height
            let group = job % groups
            let range = panels * group / groups..<panels * (group + 1) / groups
            let rows = first..<min(first + height, weight.rows)
            let slab = WeightSlab(weight, rows, kernel: kernel, isStep: layout.isStep, compute: self)
            body(slab, first, range)
        }
    }
}

/// How a gated feed-forward layer bends its gate.
public enum Activation: Sendable {
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): `gelu_pytorch_tanh`.
    case geluTanh
    /// x / (1 + exp(-x)).
    case silu

    var number: Int32 {
        switch self {
        case .geluTanh: Int32(NIBBLE_ACTIVATION_GELU_TANH)
        case .silu: Int32(NIBBLE_ACTIVATION_SILU)
        }
    }
}
