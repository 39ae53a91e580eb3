extension Compute {
    /// For every token the sum of the squares of its features: sequence by sequence, padding left out.
    package func squaresOfTokens(_ x: Tensor) -> [Float] {
        let layout = x.layout
        var squares = [Float](repeating: 0, count: layout.panels * layout.width)
        squares.withUnsafeMutableBufferPointer { squares in
            guard let start = squares.baseAddress else { return }
            nonisolated(unsafe) let sums = start
            workers.forEach(layout.panels) { panel in
                let (sums, values) = (sums + panel * layout.width, x.panel(panel))
                for feature in 0..<x.features {
                    let row = values + feature * layout.width
                    for lane in 0..<layout.width { sums[lane] += row[lane] * row[lane] }
                }
            }
        }
        let span = layout.panelsPerSequence * layout.width
        return (0..<layout.sequences).flatMap { squares[$0 * span..<$0 * span + layout.length] }
    }

    /// Every token of `x` times its factor; padding is zero.
    ///
    /// - Parameter factors: one for each token, sequence by sequence.
    package func scaleTokens(_ x: Tensor, by factors: Span<Float>) -> Tensor {
        let layout = x.layout
        precondition(
            factors.count == layout.tokens, "\(factors.count) factors for \(layout.tokens) tokens")
        let y = tensor(features: x.features, layout: layout)
        let lanes = pool.take(bytes: layout.panels * layout.width * 4)
        let padded = lanes.bound(to: Float.self)
        padded.update(repeating: 0, count: layout.panels * layout.width)
        for sequence in 0..<layout.sequences {
            for position in 0..<layout.length {
                let (panel, lane) = layout.place(sequence: sequence, position: position)
                padded[panel * layout.width + lane] = factors[sequence * layout.length + position]
            }
        }
        workers.forEach(layout.panels) { panel in
            let (own, source, target) = (padded + panel * layout.width, x.panel(panel), y.panel(panel))
            let first = panel % layout.panelsPerSequence * layout.width
            let count = min(layout.width, layout.length - first)
            for feature in 0..<x.features {
                let (row, result) = (source + feature * layout.width, target + feature * layout.width)
                for lane in 0..<count { result[lane] = row[lane] * own[lane] }
                // What lies in padding may be no number.
                for lane in count..<layout.width { result[lane] = 0 }
            }
        }
        withExtendedLifetime(lanes) {}
        return y
    }
}
