internal import CKernels

extension Compute {
    /// y = x · weight / √(mean of squares over the features + epsilon), token by token (Zhang and Sennrich 2019).
    public func normalize(_ x: Tensor, weight: Vector, epsilon: Float, tape: Tape? = nil) -> Tensor {
        precondition(weight.count == x.features, "norm of \(weight.count) weights, \(x.features) features")
        let y = tensor(features: x.features, layout: x.layout)
        workers.forEach(x.layout.panels) { panel in
            nibble_rms_norm(
                x.panel(panel), weight.values, epsilon, x.features, x.layout.width, y.panel(panel),
                levelNumber)
        }
        tape?.record(y) { [self] dy, adjoints, gradients in
            normalizeBackward(
                x, weight: weight, epsilon: epsilon, group: x.features, dy: dy, gradients: gradients)
            adjoints.add(dy, to: x)
        }
        return y
    }

    /// Replaces `dy` by the gradient of what was normalized in groups of `group` features, and adds the weights' to
    /// `gradients`.
    func normalizeBackward(
        _ x: Tensor, weight: Vector, epsilon: Float, group: Int, dy: Tensor, gradients: Gradients
    ) {
        let (panels, width) = (x.layout.panels, x.layout.width)
        // One sum a panel, put together in order, so that threads do not show.
        let sums = weight.parameter.map { _ in pool.take(bytes: panels * group * 4) }
        workers.forEach(panels) { panel in
            let own = sums.map { $0.bound(to: Float.self) + panel * group }
            own?.update(repeating: 0, count: group)
            for start in stride(from: 0, to: x.features, by: group) {
                let gradient = dy.panel(panel) + start * width
                nibble_rms_norm_backward(
                    x.panel(panel) + start * width, weight.values, epsilon, gradient, group, width, gradient,
                    own, levelNumber)
            }
        }
        guard let parameter = weight.parameter, let sums = sums?.bound(to: Float.self) else { return }
        for panel in 0..<panels { gradients.add(sums + panel * group, to: parameter) }
    }
}
