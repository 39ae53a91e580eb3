extension Compute {
    /// Adds the products of all pairs of features, summed over the tokens: target += x xᵀ, `[features][features]`.
    ///
    /// Only what lies on and above the diagonal is right afterwards: ``completeGram(_:size:)`` does the rest.
    ///
    /// - Parameter weights: what the product of each token is multiplied by, sequence by sequence; nil: 1.
    package func addGram(
        of x: Tensor, weights: ArraySlice<Float>? = nil, to target: UnsafeMutablePointer<Float>
    ) {
        addGrams(of: x, weights: weights, to: [(0..<x.features, target)])
    }

    /// The same for some ranges of the features, each with a target of its own.
    package func addGrams(
        of x: Tensor, weights: ArraySlice<Float>? = nil,
        to targets: [(features: Range<Int>, target: UnsafeMutablePointer<Float>)]
    ) {
        let x = weighted(x, weights)
        for (features, target) in targets {
            let part = features == 0..<x.features ? x : self.features(features, of: x)
            addWeightGradient(
                TokenRows(part, compute: self), part, to: target, accumulates: true, isSymmetric: true)
        }
    }

    /// Some of the features of all tokens.
    private func features(_ range: Range<Int>, of x: Tensor) -> Tensor {
        let y = tensor(features: range.count, layout: x.layout)
        workers.forEach(x.layout.panels) { panel in
            y.panel(panel).update(
                from: x.panel(panel) + range.lowerBound * x.layout.width,
                count: range.count * x.layout.width)
        }
        return y
    }

    /// Copies what lies above the diagonal of a symmetric matrix, `[size][size]`, to below it.
    package func completeGram(_ target: UnsafeMutablePointer<Float>, size: Int) {
        let side = 64
        let pieces = (size + side - 1) / side
        workers.forEach(pieces) { piece in
            let rows = piece * side..<min((piece + 1) * side, size)
            for first in stride(from: 0, through: rows.lowerBound, by: side) {
                for row in rows {
                    for column in first..<min(first + side, row) {
                        target[row * size + column] = target[column * size + row]
                    }
                }
            }
        }
    }

    /// Adds the products of the features of two tensors, summed over the tokens: target += y xᵀ,
    /// `[features of y][features of x]`.
    ///
    /// - Parameter weights: as in ``addGram(of:weights:to:)``.
    package func addGram(
        of y: Tensor, _ x: Tensor, weights: ArraySlice<Float>? = nil, to target: UnsafeMutablePointer<Float>
    ) {
        precondition(x.layout == y.layout, "tensors of different layout")
        addWeightGradient(
            TokenRows(weighted(y, weights), compute: self), weighted(x, weights), to: target,
            accumulates: true)
    }

    /// Tokens times the roots of their weights, without what lies in padding.
    private func weighted(_ x: Tensor, _ weights: ArraySlice<Float>?) -> Tensor {
        let isFull = x.layout.length.isMultiple(of: x.layout.width)
        let factors = weights.map { $0.map { $0.squareRoot() } }
        return factors.map { scaleTokens(x, by: $0.span) } ?? (isFull ? x : withZeroPadding(x))
    }

    private func withZeroPadding(_ x: Tensor) -> Tensor {
        scaleTokens(x, by: [Float](repeating: 1, count: x.layout.tokens).span)
    }
}
