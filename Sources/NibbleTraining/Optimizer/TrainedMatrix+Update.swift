internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension TrainedMatrix {
    /// A step of AdamW for some rows, which are then encoded anew, all while they are in the cache.
    ///
    /// - Parameters:
    ///   - gradient: that of the decoded matrix, `[rows, columns]`; where values were clipped it is set to 0, if the
    ///     quantizer says so.
    ///   - step: of weights.
    ///   - scaleStep: of scales, where they are learned.
    ///   - isQuantized: whether the gradient was taken of the blocks. One of the masters is not masked, and scales are
    ///     then chosen from the weights as at the start.
    func update(
        _ range: Range<Int>, gradient: UnsafeMutablePointer<Float>, weights step: AdamWStep,
        scales scaleStep: AdamWStep?, isQuantized: Bool, compute: Compute
    ) throws(CheckpointError) {
        let (start, count) = (range.lowerBound * columns, range.count * columns)
        var scaleGradient: [Float] = []
        if isQuantized {
            var span = UnsafeMutableBufferPointer(start: gradient + start, count: count).mutableSpan
            if let scales {
                scaleGradient = [Float](repeating: 0, count: range.count * scales.perRow)
                var result = scaleGradient.mutableSpan
                scales.blocks.backpropagate(
                    weights(range).span, scales: scales.values(range).span, gradient: &span, into: &result,
                    level: compute.level)
            } else if trainsWeights {
                quantizer.maskGradient(
                    &span, of: weights(range).span, blocks: RawSpan(_unsafeBytes: blocks(range)),
                    level: compute.level)
            }
        }
        if trainsWeights {
            step.apply(
                to: masters.floats + start, gradient: gradient + start, m: firstMoments.floats + start,
                v: secondMoments.floats + start, count: count, compute: compute)
        }
        if let scales {
            if isQuantized {
                guard let scaleStep else { preconditionFailure("'\(name)' learns scales, but has no step") }
                scales.update(
                    range, gradient: scaleGradient, step: scaleStep, weights: weights(range).span,
                    compute: compute)
            } else {
                scales.choose(range, for: weights(range).span)
            }
        }
        try encode(range, level: compute.level)
    }
}
