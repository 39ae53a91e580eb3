extension Compute {
    /// A tensor of one sequence, whose tokens have the given features; zero in padding.
    ///
    /// - Parameter tokens: `[token][feature]`, one token or more, all of as many features.
    public func tensor(_ tokens: [[Float]]) -> Tensor {
        precondition(!tokens.isEmpty, "no tokens")
        let x = tensor(features: tokens[0].count, layout: layout(sequences: 1, length: tokens.count))
        x.fill(0)
        for (position, token) in tokens.enumerated() {
            x.setColumn(sequence: 0, position: position, to: token.span)
        }
        return x
    }

    /// The mean of (y - target)² over all values of all tokens, and its gradient, 2 (y - target) / count, where
    /// ``Tape/backpropagate(_:into:)`` begins. Sums are of Doubles.
    public func meanSquaredError(_ y: Tensor, _ target: Tensor) -> (loss: Double, gradient: Tensor) {
        precondition(y.features == target.features && y.layout == target.layout, "tensors of different shape")
        let gradient = tensor(features: y.features, layout: y.layout)
        gradient.fill(0)
        let count = Double(y.features * y.layout.tokens)
        var sum = 0.0
        for sequence in 0..<y.layout.sequences {
            for position in 0..<y.layout.length {
                let (panel, lane) = y.layout.place(sequence: sequence, position: position)
                for feature in 0..<y.features {
                    let place = feature * y.layout.width + lane
                    let difference = Double(y.panel(panel)[place]) - Double(target.panel(panel)[place])
                    sum += difference * difference
                    gradient.panel(panel)[place] = Float(2 * difference / count)
                }
            }
        }
        return (sum / count, gradient)
    }
}
