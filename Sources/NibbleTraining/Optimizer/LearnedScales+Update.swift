internal import NibbleNumerics
internal import NibbleTensor

extension LearnedScales {
    /// A step for some rows of a matrix: scales move by shares of themselves, weights by shares of the step between two
    /// codes, and weights that keep their codes follow the scales.
    ///
    /// - Parameters:
    ///   - state: weights and moments of the rows, of `columns` each.
    ///   - gradient: that of the decoded rows.
    ///   - steps: of codes and scales.
    func update(
        _ rows: Range<Int>, _ state: MatrixRows, columns: Int, gradient: UnsafePointer<Float>,
        by steps: StudentSteps, compute: Compute
    ) {
        let count = rows.count * columns
        let firstScale = rows.lowerBound * perRow
        var weights = state.weights.mutableSpan
        let scales = values(rows)
        let before = stored(rows)
        var codes = [Int8](repeating: 0, count: count)
        var sums = [Float](repeating: 0, count: before.count)
        var codeSpan = codes.mutableSpan
        var sumSpan = sums.mutableSpan
        codec.scaleGradients(
            weights.span, scales: before.span,
            gradient: UnsafeBufferPointer(start: gradient, count: count).span, codes: &codeSpan,
            into: &sumSpan, level: compute.level)
        before.withUnsafeBufferPointer { units in
            sums.withUnsafeBufferPointer { sums in
                guard let units = units.baseAddress, let sums = sums.baseAddress else { return }
                if let moments = state.moments, let values = state.weights.baseAddress {
                    steps.codes.apply(
                        to: values, gradient: gradient, m: moments.first, v: moments.second,
                        units: units, width: ScaledBlocks.blockSize, count: count, compute: compute)
                }
                steps.scales.apply(
                    to: masters.floats + firstScale, gradient: sums, m: firstMoments.floats + firstScale,
                    v: secondMoments.floats + firstScale, units: units, width: 1, count: before.count,
                    compute: compute)
            }
        }
        for index in before.indices { scales[index] = Self.bounded(scales[index], before: before[index]) }
        codec.hold(
            &weights, codes: codes.span, from: before.span, to: stored(rows).span, level: compute.level)
    }

    /// A scale after a step, kept on its side of zero; NaN stays NaN, which encoding reports.
    private static func bounded(_ scale: Float, before: Float) -> Float {
        guard before != 0 else { return 0 }
        let magnitude = before < 0 ? -scale : scale
        guard magnitude < ScaledBlocks.smallestScale else { return scale }
        return before < 0 ? -ScaledBlocks.smallestScale : ScaledBlocks.smallestScale
    }
}
