internal import CKernels

extension Compute {
    /// x + y; in place of x unless there is a tape.
    @discardableResult
    public func add(_ y: Tensor, to x: Tensor, tape: Tape? = nil) -> Tensor {
        precondition(x.features == y.features && x.layout == y.layout, "tensors of different shape")
        let sum = tape == nil ? x : copy(x)
        workers.forEach(x.layout.panels) { panel in
            nibble_add(sum.panel(panel), y.panel(panel), x.panelCount, levelNumber)
        }
        tape?.record(sum) { [self] gradient, adjoints, _ in
            adjoints.add(copy(gradient), to: y)
            adjoints.add(gradient, to: x)
        }
        return sum
    }

    /// x - y, in place of y.
    package func subtract(_ y: Tensor, from x: Tensor) -> Tensor {
        precondition(x.features == y.features && x.layout == y.layout, "tensors of different shape")
        workers.forEach(x.layout.panels) { panel in
            let (source, target) = (x.panel(panel), y.panel(panel))
            for index in 0..<x.panelCount { target[index] = source[index] - target[index] }
        }
        return y
    }

    /// Adds a bias to every token of `x`, in place; the gradient of the sum is that of `x`.
    public func add(_ bias: Vector, to x: Tensor) {
        precondition(bias.count == x.features, "bias of \(bias.count) values, \(x.features) features")
        workers.forEach(x.layout.panels) { panel in
            nibble_add_bias(x.panel(panel), bias.values, x.features, x.layout.width, levelNumber)
        }
    }

    /// Adds a bias' gradient, the sum over all tokens.
    func addBiasGradient(_ dy: Tensor, of parameter: Parameter, to gradients: Gradients) {
        let panels = dy.layout.panels
        let sums = pool.take(bytes: panels * dy.features * 4)
        workers.forEach(panels) { panel in
            let own = sums.bound(to: Float.self) + panel * dy.features
            own.update(repeating: 0, count: dy.features)
            nibble_sum_lanes(dy.panel(panel), dy.features, dy.layout.width, own, levelNumber)
        }
        for panel in 0..<panels {
            gradients.add(sums.bound(to: Float.self) + panel * dy.features, to: parameter)
        }
    }

    /// Gathers some tokens of a batch: `positions` of every sequence, in a layout without gaps.
    public func gather(_ x: Tensor, positions: Range<Int>, tape: Tape? = nil) -> Tensor {
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
        tape?.record(y) { [self] dy, adjoints, _ in
            adjoints.add(scatter(dy, positions: positions, layout: from), to: x)
        }
        return y
    }

    /// The transpose of ``gather(_:positions:tape:)``: zero where nothing was gathered.
    private func scatter(_ dy: Tensor, positions: Range<Int>, layout: PanelLayout) -> Tensor {
        let dx = tensor(features: dy.features, layout: layout)
        workers.forEach(layout.panels) { panel in
            let target = dx.panel(panel)
            target.update(repeating: 0, count: dx.panelCount)
            let sequence = panel / layout.panelsPerSequence
            for lane in 0..<layout.width {
                let position = panel % layout.panelsPerSequence * layout.width + lane
                guard positions.contains(position) else { continue }
                let index = sequence * positions.count + position - positions.lowerBound
                let source = dy.panel(index / dy.layout.width) + index % dy.layout.width
                for feature in 0..<dy.features {
                    target[feature * layout.width + lane] = source[feature * dy.layout.width]
                }
            }
        }
        return dx
    }
}
