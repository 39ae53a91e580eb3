internal import CKernels

extension Compute {
    /// Prepares the heads of a query or key: norm of each head, rotation, and a factor. In place, unless a tape keeps
    /// what a norm was given.
    ///
    /// - Parameters:
    ///   - norm: `[head]` weights of the norm of each head; nil for none.
    ///   - rotary: the angles, for the layout of `x`.
    public func prepareHeads(
        _ x: Tensor, head: Int, norm: Vector?, epsilon: Float, rotary: RotaryAngles, scale: Float = 1,
        tape: Tape? = nil
    ) -> Tensor {
        precondition(x.features.isMultiple(of: head), "\(x.features) features in heads of \(head)")
        precondition(rotary.layout == x.layout && rotary.head == head, "angles of another layout")
        let y = tape == nil ? x : tensor(features: x.features, layout: x.layout)
        let width = x.layout.width
        workers.forEach(x.layout.panels) { panel in
            for start in stride(from: 0, to: x.features, by: head) {
                let (values, source) = (y.panel(panel) + start * width, x.panel(panel) + start * width)
                if let norm {
                    nibble_rms_norm(source, norm.values, epsilon, head, width, values, levelNumber)
                } else if y !== x {
                    values.update(from: source, count: head * width)
                }
            }
            rotate(y, panel, rotary, scale: scale, inverse: false)
        }
        tape?.record(y) { [self] dy, adjoints, gradients in
            // A rotation's transpose turns back.
            workers.forEach(dy.layout.panels) { rotate(dy, $0, rotary, scale: scale, inverse: true) }
            if let norm {
                normalizeBackward(
                    x, weight: norm, epsilon: epsilon, group: head, dy: dy, gradients: gradients)
            }
            adjoints.add(dy, to: x)
        }
        return y
    }

    private func rotate(_ x: Tensor, _ panel: Int, _ rotary: RotaryAngles, scale: Float, inverse: Bool) {
        let angles = rotary.panel(panel)
        let width = x.layout.width
        for start in stride(from: 0, to: x.features, by: rotary.head) {
            nibble_rotate(
                x.panel(panel) + start * width, angles.cosines, angles.sines, rotary.head, width,
                rotary.isInterleaved ? 1 : 0, scale, inverse ? 1 : 0, levelNumber)
        }
    }
}
