extension Compute {
    /// Adds for every feature the sum of the squares over all tokens of `x`, padding left out, in Double; the same for
    /// every number of threads.
    ///
    /// - Parameter sums: `[features]`.
    public func addSquares(of x: Tensor, to sums: inout [Double]) {
        precondition(sums.count == x.features, "\(sums.count) sums for \(x.features) features")
        let layout = x.layout
        let parts = min(x.features, 64)
        sums.withUnsafeMutableBufferPointer { sums in
            nonisolated(unsafe) let sums = sums
            workers.forEach(parts) { part in
                for panel in 0..<layout.panels {
                    let first = panel % layout.panelsPerSequence * layout.width
                    let count = min(layout.width, layout.length - first)
                    let start = x.panel(panel)
                    for feature in x.features * part / parts..<x.features * (part + 1) / parts {
                        var sum = 0.0
                        for lane in 0..<count {
                            let value = Double(start[feature * layout.width + lane])
                            sum += value * value
                        }
                        sums[feature] += sum
                    }
                }
            }
        }
    }
}
