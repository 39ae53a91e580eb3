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
                load(range, compact.weights, into: values)
                return body(UnsafeBufferPointer(values))
            }
        }
    }

    /// Chooses scales for weights and encodes them: what a matrix begins with.
    ///
    /// - Parameter load: fills in the weights of some rows.
    func begin(
        _ range: Range<Int>, level: KernelLevel,
        _ load: (UnsafeMutableBufferPointer<Float>) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        switch state {
        case .float(let floats):
            let values = floats.weights.floats(range, of: columns)
            try load(values)
            scales?.choose(range, for: values.span)
        case .compact(let compact):
            let scratch = Scratch(range.count * columns)
            defer { withExtendedLifetime(scratch) {} }
            try load(scratch.values)
            scales?.choose(range, for: scratch.values.span)
            if let start = scratch.values.baseAddress { compact.weights.settle(range, step: nil, start) }
            try encode(range, scratch.values, level: level)
        }
    }

    /// Calls `body`, which changes weights and moments of some rows, encodes them, and keeps what came of it.
    ///
    /// - Parameter step: the number of the optimizer's step, which draws are counted by.
    func change(
        _ range: Range<Int>, step: Int, level: KernelLevel, _ body: (MatrixRows) -> Void
    ) throws(CheckpointError) {
        let count = range.count * columns
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
            let (values, first, second) = (Scratch(count), Scratch(count), Scratch(count))
            defer { withExtendedLifetime((values, first, second)) {} }
            guard let weights = values.values.baseAddress, let m = first.values.baseAddress,
                let v = second.values.baseAddress
            else { return }
            load(range, compact.weights, into: values.values)
            compact.firstMoments?.load(range, into: m)
            compact.secondMoments?.load(range, into: v)
            body(MatrixRows(weights: values.values, moments: trainsWeights ? (m, v) : nil))
            compact.weights.settle(range, step: step, weights)
            try encode(range, values.values, level: level)
            compact.firstMoments?.store(range, m, level: level)
            compact.secondMoments?.store(range, v, level: level)
            guard let scales, compact.weights.kind == .positions else { return }
            // Moments have been kept: their place serves for what the blocks hold now.
            decodeBlocks(range, into: first.values, level: level)
            compact.weights.keep(range, step: step, weights, centers: m, scales: scales.stored(range))
        }
    }

    /// Encodes some rows of weights that are kept beside their blocks.
    func encodeWeights(_ range: Range<Int>, level: KernelLevel) throws(CheckpointError) {
        switch state {
        case .float(let floats): try encode(range, floats.weights.floats(range, of: columns), level: level)
        case .compact(let compact):
            guard compact.weights.kind == .bfloat16 else { return }
            let scratch = Scratch(range.count * columns)
            defer { withExtendedLifetime(scratch) {} }
            load(range, compact.weights, into: scratch.values)
            try encode(range, scratch.values, level: level)
        }
    }

    private func load(
        _ range: Range<Int>, _ compact: CompactWeights, into values: UnsafeMutableBufferPointer<Float>
    ) {
        guard let start = values.baseAddress else { return }
        if compact.kind != .bfloat16 { decodeBlocks(range, into: values, level: .best) }
        compact.load(range, scales: scales?.stored(range) ?? [], into: start)
    }

    private func decodeBlocks(
        _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>, level: KernelLevel
    ) {
        var span = values.mutableSpan
        quantizer.codec.decode(
            RawSpan(_unsafeBytes: blocks(range)), columns: columns, into: &span, level: level)
    }
}

/// Floats for as long as a function runs.
private final class Scratch {
    let values: UnsafeMutableBufferPointer<Float>

    init(_ count: Int) { values = .allocate(capacity: count) }

    deinit { values.deallocate() }
}
