internal import NibbleCheckpoint
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension TrainedMatrix {
    /// Calls `body` with the weights of some rows as they are trained.
    func withWeights<Result>(_ range: Range<Int>, _ body: (UnsafeBufferPointer<Float>) -> Result) -> Result {
        switch state {
        case .float(let floats):
            return body(UnsafeBufferPointer(floats.weights.floats(range, of: columns)))
        case .compact(let compact):
            var values = [Float](repeating: 0, count: range.count * columns)
            return values.withUnsafeMutableBufferPointer { values in
                load(range, compact.weights, into: values, level: .best)
                return body(UnsafeBufferPointer(values))
            }
        }
    }

    /// Chooses scales for weights and encodes them: what a matrix begins with.
    ///
    /// - Parameter load: fills in the weights of some rows.
    func begin(
        _ range: Range<Int>, compute: Compute,
        _ load: (UnsafeMutableBufferPointer<Float>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        switch state {
        case .float(let floats):
            let values = floats.weights.floats(range, of: columns)
            try load(values)
            scales?.choose(range, for: values.span)
        case .compact(let compact):
            let scratch = scratch(range, compute)
            defer { withExtendedLifetime(scratch) {} }
            let values = floats(range, scratch)
            try load(values)
            scales?.choose(range, for: values.span)
            compact.weights.settle(range, step: nil, scratch.bound(to: Float.self))
            try encode(range, values, level: compute.level)
        }
    }

    /// Calls `body`, which changes weights and moments of some rows, encodes them, and keeps what came of it.
    ///
    /// - Parameter step: the number of the optimizer's step, which draws are counted by.
    func change(
        _ range: Range<Int>, step: Int, compute: Compute, _ body: (MatrixRows) -> Void
    ) throws(CheckpointError) {
        let level = compute.level
        switch state {
        case .float(let floats):
            let values = floats.weights.floats(range, of: columns)
            let first = range.lowerBound * columns
            body(
                MatrixRows(
                    weights: values,
                    moments: trainsWeights
                        ? (floats.firstMoments.floats + first, floats.secondMoments.floats + first) : nil))
            try encode(range, values, level: level)
        case .compact(let compact):
            let (own, first, second) = (
                scratch(range, compute), scratch(range, compute), scratch(range, compute)
            )
            defer { withExtendedLifetime((own, first, second)) {} }
            let values = floats(range, own)
            let (m, v) = (first.bound(to: Float.self), second.bound(to: Float.self))
            load(range, compact.weights, into: values, level: level)
            compact.firstMoments?.load(range, into: m)
            compact.secondMoments?.load(range, into: v)
            body(MatrixRows(weights: values, moments: trainsWeights ? (m, v) : nil))
            compact.weights.settle(range, step: step, own.bound(to: Float.self))
            try encode(range, values, level: level)
            compact.firstMoments?.store(range, m, level: level)
            compact.secondMoments?.store(range, v, level: level)
            guard let scales, compact.weights.kind == .positions else { return }
            // Moments have been kept: their place serves for what the blocks hold now.
            decodeBlocks(range, into: floats(range, first), level: level)
            compact.weights.keep(
                range, step: step, own.bound(to: Float.self), centers: m, scales: scales.stored(range))
        }
    }

    /// Encodes some rows of weights that are kept beside their blocks.
    func encodeWeights(_ range: Range<Int>, compute: Compute) throws(CheckpointError) {
        switch state {
        case .float(let floats):
            try encode(range, floats.weights.floats(range, of: columns), level: compute.level)
        case .compact(let compact):
            guard compact.weights.kind == .bfloat16 else { return }
            let scratch = scratch(range, compute)
            defer { withExtendedLifetime(scratch) {} }
            load(range, compact.weights, into: floats(range, scratch), level: compute.level)
            try encode(range, floats(range, scratch), level: compute.level)
        }
    }

    private func load(
        _ range: Range<Int>, _ compact: CompactWeights, into values: UnsafeMutableBufferPointer<Float>,
        level: KernelLevel
    ) {
        guard let start = values.baseAddress else { return }
        if compact.kind != .bfloat16 { decodeBlocks(range, into: values, level: level) }
        compact.load(range, scales: scales?.stored(range) ?? [], into: start)
    }

    private func decodeBlocks(
        _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>, level: KernelLevel
    ) {
        var span = values.mutableSpan
        quantizer.codec.decode(
            RawSpan(_unsafeBytes: blocks(range)), columns: columns, into: &span, level: level)
    }

    // MARK: - Scratch

    private func scratch(_ range: Range<Int>, _ compute: Compute) -> Buffer {
        compute.pool.take(bytes: 4 * range.count * columns)
    }

    private func floats(_ range: Range<Int>, _ buffer: Buffer) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: buffer.bound(to: Float.self), count: range.count * columns)
    }
}
