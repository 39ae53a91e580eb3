internal import CKernels

extension Compute {
    /// y = x · weight / √(mean of squares over the features + epsilon), token by token.
    public func normalize(_ x: Tensor, weight: [Float], epsilon: Float) -> Tensor {
        precondition(weight.count == x.features, "norm of \(weight.count) weights, \(x.features) features")
        let y = tensor(features: x.features, layout: x.layout)
        workers.forEach(x.layout.panels) { panel in
            nibble_rms_norm(
                x.panel(panel), weight, epsilon, x.features, x.layout.width, y.panel(panel), levelNumber)
        }
        return y
    }

    /// x + y, in place of x.
    public func add(_ y: Tensor, to x: Tensor) {
        precondition(x.features == y.features && x.layout == y.layout, "tensors of different shape")
        workers.forEach(x.layout.panels) { panel in
            nibble_add(x.panel(panel), y.panel(panel), x.panelCount, levelNumber)
        }
    }

    /// Adds a bias to every token of `x`, in place.
    public func add(_ bias: [Float], to x: Tensor) {
        precondition(bias.count == x.features, "bias of \(bias.count) values, \(x.features) features")
        workers.forEach(x.layout.panels) { panel in
            nibble_add_bias(x.panel(panel), bias, x.features, x.layout.width, levelNumber)
        }
    }

    /// Prepares the heads of a query or key in place: norm of each head, rotation, and a factor.
    ///
    /// - Parameters:
    ///   - norm: `[head]` weights of the norm of each head; nil for none.
    ///   - rotary: the angles, for the layout of `x`.
    public func prepareHeads(
        _ x: Tensor, head: Int, norm: [Float]?, epsilon: Float, rotary: RotaryAngles, scale: Float = 1
    ) {
        precondition(x.features.isMultiple(of: head), "\(x.features) features in heads of \(head)")
        precondition(rotary.layout == x.layout && rotary.head == head, "angles of another layout")
        let width = x.layout.width
        workers.forEach(x.layout.panels) { panel in
            let angles = rotary.panel(panel)
            for start in stride(from: 0, to: x.features, by: head) {
                let values = x.panel(panel) + start * width
                if let norm { nibble_rms_norm(values, norm, epsilon, head, width, values, levelNumber) }
                nibble_rotate(
                    values, angles.cosines, angles.sines, head, width, rotary.isInterleaved ? 1 : 0, scale,
                    levelNumber)
            }
        }
    }

    /// Gathers some tokens of a batch: `positions` of every sequence, in a layout without gaps.
    public func gather(_ x: Tensor, positions: Range<Int>) -> Tensor {
        let from = x.layout
        precondition(
            positions.lowerBound >= 0 && positions.upperBound <= from.length, "positions \(positions)")
        if from.isStep, positions == 0..<from.length { return x }
        let to = layout(sequences: 1, length: from.sequences * positions.count)
        let y = tensor(features: x.features, layout: to)
        workers.forEach(to.panels) { panel in
            let target = y.panel(panel)
            for lane in 0..<to.width {
                // Padding repeats the last token: any finite values will do.
                let index = min(panel * to.width + lane, to.length - 1)
                let place = from.place(
                    sequence: index / positions.count,
                    position: positions.lowerBound + index % positions.count)
                let source = x.panel(place.panel) + place.lane
                for feature in 0..<x.features {
                    target[feature * to.width + lane] = source[feature * from.width]
                }
            }
        }
        return y
    }
}
