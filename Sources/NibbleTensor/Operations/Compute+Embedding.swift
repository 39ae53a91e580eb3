extension Compute {
    /// Rows of `table` for the tokens of a batch, times `scale`; padding repeats the last token of its sequence.
    public func embed(
        _ sequences: [[Int32]], _ table: Matrix, scale: Float, layout: PanelLayout, tape: Tape? = nil
    ) -> Tensor {
        let x = tensor(features: table.columns, layout: layout)
        workers.forEach(layout.panels) { panel in
            let buffer = pool.take(bytes: table.columns * 4)
            let row = buffer.bound(to: Float.self)
            let tokens = sequences[panel / layout.panelsPerSequence]
            let first = panel % layout.panelsPerSequence * layout.width
            for lane in 0..<layout.width {
                let token = Int(tokens[min(first + lane, layout.length - 1)])
                table.decode(token..<token + 1, into: row, level: level)
                let target = x.panel(panel) + lane
                for feature in 0..<table.columns { target[feature * layout.width] = row[feature] * scale }
            }
        }
        if let tape, let parameter = table.parameter {
            tape.record(x) { [self] dx, _, gradients in
                addEmbeddingGradient(dx, sequences, parameter, scale: scale, to: gradients)
            }
        }
        return x
    }

    /// Adds to the row of every token its gradient, in the order of the text.
    private func addEmbeddingGradient(
        _ dx: Tensor, _ sequences: [[Int32]], _ parameter: Parameter, scale: Float, to gradients: Gradients
    ) {
        let (target, accumulates) = gradients.target(parameter)
        if !accumulates { target.update(repeating: 0, count: parameter.count) }
        let (columns, layout) = (dx.features, dx.layout)
        // A thread has some of the features, of all tokens.
        let parts = min(columns, 64)
        workers.forEach(parts) { part in
            for (sequence, tokens) in sequences.enumerated() {
                for (position, token) in tokens.enumerated() {
                    let (panel, lane) = layout.place(sequence: sequence, position: position)
                    let source = dx.panel(panel) + lane
                    let row = target + Int(token) * columns
                    for feature in columns * part / parts..<columns * (part + 1) / parts {
                        row[feature] += source[feature * layout.width] * scale
                    }
                }
            }
        }
    }
}
