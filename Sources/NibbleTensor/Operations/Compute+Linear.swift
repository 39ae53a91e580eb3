internal import CKernels

extension Compute {
    /// y = W x + bias for every token: `[rows of W]` features.
    public func linear(_ x: Operand, _ weight: Matrix, bias: [Float]? = nil) -> Tensor {
        check(x, weight)
        let layout = x.tensor.layout
        let y = tensor(features: weight.rows, layout: layout)
        forEachSlab(of: weight, panels: layout.panels) { slab, first, panels in
            for panel in panels {
                slab.multiply(x, panel: panel, into: y.panel(panel) + first * layout.width)
            }
        }
        if let bias { add(bias, to: y) }
        return y
    }

    /// activation(G x) * (U x) for every token: what a gated feed-forward layer puts between its matrices.
    public func gated(_ x: Operand, gate: Matrix, up: Matrix, activation: Activation) -> Tensor {
        check(x, gate)
        check(x, up)
        precondition(gate.rows == up.rows, "gate has \(gate.rows) rows, up \(up.rows)")
        let layout = x.tensor.layout
        let y = tensor(features: gate.rows, layout: layout)
        let kernel = kernel(for: up.type, columns: up.columns)
        forEachSlab(of: gate, panels: layout.panels) { slab, first, panels in
            // Both slabs are of the height of the gate's product; the kernel of the other may differ.
            let upSlab = WeightSlab(up, first..<first + slab.rows, kernel: kernel, compute: self)
            let count = slab.rows * layout.width
            let buffer = pool.take(bytes: count * 4)
            let other = buffer.bound(to: Float.self)
            for panel in panels {
                let target = y.panel(panel) + first * layout.width
                slab.multiply(x, panel: panel, into: target)
                upSlab.multiply(x, panel: panel, into: other)
                nibble_gate(target, other, count, activation.number, levelNumber)
            }
        }
        return y
    }

    private func check(_ x: Operand, _ weight: Matrix) {
        precondition(
            x.tensor.features == weight.columns,
            "\(x.tensor.features) features meet a matrix of \(weight.columns) columns")
    }

    /// Calls `body` for all rows of `weight` and all panels: with some rows prepared, the number of the first,
    /// and the panels to multiply them with.
    private func forEachSlab(
        of weight: Matrix, panels: Int, _ body: (WeightSlab, _ first: Int, _ panels: Range<Int>) -> Void
    ) {
        let kernel = kernel(for: weight.type, columns: weight.columns)
        let height = WeightSlab.height(kernel)
        let slabs = (weight.rows + height - 1) / height
        // Where slabs are few, panels are shared out too, so that all threads have work.
        let groups = min(panels, max(1, (4 * workers.count + slabs - 1) / slabs))
        workers.forEach(slabs * groups) { job in
            let first = job / groups * height
            let group = job % groups
            let range = panels * group / groups..<panels * (group + 1) / groups
            let rows = first..<min(first + height, weight.rows)
            body(WeightSlab(weight, rows, kernel: kernel, compute: self), first, range)
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
