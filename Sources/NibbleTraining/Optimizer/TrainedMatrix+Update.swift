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
        try change(range, step: steps.matrices.step, compute: compute) { rows in
            if let scales, isQuantized {
                return scales.update(
                    range, rows, columns: columns, gradient: gradient + start, by: steps, compute: compute)
            }
            if isQuantized {
                var span = UnsafeMutableBufferPointer(start: gradient + start, count: count).mutableSpan
                quantizer.maskGradient(
                    &span, of: rows.weights.span, blocks: RawSpan(_unsafeBytes: blocks(range)),
                    level: compute.level)
            }
            if let moments = rows.moments, let weights = rows.weights.baseAddress {
                let step = steps.isRelative ? steps.matrices.scaled(relativeMagnitude) : steps.matrices
                step.apply(
                    to: weights, gradient: gradient + start, m: moments.first, v: moments.second,
                    count: count, compute: compute)
            }
            scales?.choose(range, for: rows.weights.span)
        }
    }

    /// Puts all weights in the middle of the cells of their codes, from where each way to another is half a step.
    ///
    /// - Precondition: scales are learned.
    func holdCodes(_ range: Range<Int>, level: KernelLevel) throws(CheckpointError) {
        guard let scales else { preconditionFailure("'\(name)' learns no scales") }
        switch state {
        case .compact(let compact): compact.weights.center(range)
        case .float(let floats):
            let values = floats.weights.floats(range, of: columns)
            let own = scales.stored(range)
            for index in values.indices {
                let scale = own[index / ScaledBlocks.blockSize]
                values[index] = Float(scales.codec.code(of: values[index], scale: scale)) * scale
            }
            try encode(range, values, level: level)
        }
    }
}
