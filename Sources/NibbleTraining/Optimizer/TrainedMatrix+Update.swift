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
    ///   - steps: of weights and scales.
    ///   - isQuantized: whether the gradient was taken of the blocks. One of the masters is not masked, and scales are
    ///     then chosen from the weights as at the start.
    func update(
        _ range: Range<Int>, gradient: UnsafeMutablePointer<Float>, by steps: StudentSteps,
        isQuantized: Bool, compute: Compute
    ) throws(CheckpointError) {
        let (start, count) = (range.lowerBound * columns, range.count * columns)
        if let scales, isQuantized {
            scales.update(
                range, of: self, gradient: gradient + start, by: steps, compute: compute)
        } else {
            if isQuantized {
                var span = UnsafeMutableBufferPointer(start: gradient + start, count: count).mutableSpan
                quantizer.maskGradient(
                    &span, of: weights(range).span, blocks: RawSpan(_unsafeBytes: blocks(range)),
                    level: compute.level)
            }
            if trainsWeights {
                let step = steps.isRelative ? steps.matrices.scaled(relativeMagnitude) : steps.matrices
                step.apply(
                    to: masters.floats + start, gradient: gradient + start, m: firstMoments.floats + start,
                    v: secondMoments.floats + start, count: count, compute: compute)
            }
            scales?.choose(range, for: weights(range).span)
        }
        try encode(range, level: compute.level)
    }

    /// Puts all weights in the middle of the cells of their codes, from where each way to another is half a step.
    ///
    /// - Precondition: scales are learned.
    func holdCodes(_ range: Range<Int>, level: KernelLevel) throws(CheckpointError) {
        guard let scales else { preconditionFailure("'\(name)' learns no scales") }
        let own = scales.stored(range)
        for index in 0..<range.count * columns {
            let place = range.lowerBound * columns + index
            let scale = own[index / ScaledBlocks.blockSize]
            masters.floats[place] = Float(scales.codec.code(of: masters.floats[place], scale: scale)) * scale
        }
        try encode(range, level: level)
    }
}
