extension Compute {
    /// Rows of `table` for the tokens of a batch, times `scale`; padding repeats the last token of its sequence.
    public func embed(_ sequences: [[Int32]], _ table: Matrix, scale: Float, layout: PanelLayout) -> Tensor {
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
        return x
    }
}
