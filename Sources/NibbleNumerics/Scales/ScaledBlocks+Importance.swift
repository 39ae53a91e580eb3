extension ScaledBlocks {
    /// The scales that the codec finds where the errors of columns are weighted, portable and anchored; where that is
    /// worse than what it chooses without weights, or it finds 0, the latter, portable.
    ///
    /// The search knows nothing of the extreme code, and often prefers a scale that leaves it unused.
    ///
    /// - Parameters:
    ///   - values: `[rows][columns]`, finite.
    ///   - importance: one weight for each column, 0 or more.
    ///   - scales: `[rows][columns / 32]`.
    ///   - level: the instruction level; every level gives the same bits.
    /// - Throws: ``CodecError`` where a value is NaN or infinite, or a scale exceeds the range of a half.
    public func searchScales(
        _ values: Span<Float>, importance: Span<Float>, into scales: inout MutableSpan<Float>,
        level: KernelLevel = .best
    ) throws(CodecError) {
        check(values.count, scales: scales.count)
        precondition(values.count.isMultiple(of: importance.count), "weights for parts of rows")
        let size = type.blockBytes
        var blocks = [UInt8](repeating: 0, count: scales.count * size)
        var span = blocks.mutableSpan
        var raw = span.mutableBytes
        try codec.encode(
            values, columns: importance.count, importance: importance, into: &raw, level: level)
        var found = [Float](repeating: 0, count: scales.count)
        var foundSpan = found.mutableSpan
        readScales(blocks.span.bytes, into: &foundSpan)
        anchorPortably(values, scales: &foundSpan, level: level)
        var plain = [Float](repeating: 0, count: scales.count)
        var plainSpan = plain.mutableSpan
        chooseScales(values, into: &plainSpan)
        anchorPortably(values, scales: &plainSpan, level: level)
        let perRow = importance.count / Self.blockSize
        for block in found.indices {
            let first = block * Self.blockSize
            let own = values.extracting(first..<first + Self.blockSize)
            let column = block % perRow * Self.blockSize
            let weights = importance.extracting(column..<column + Self.blockSize)
            let isBetter =
                found[block] != 0
                && error(own, scale: found[block], weights) < error(own, scale: plain[block], weights)
            scales[block] = isBetter ? found[block] : plain[block]
        }
    }

    /// The weighted squared error of a block.
    private func error(_ values: Span<Float>, scale: Float, _ weights: Span<Float>) -> Float {
        let stored = Half.float(f16: Half.f16(scale))
        var sum: Float = 0
        for index in values.indices {
            let difference = values[index] - stored * Float(code(of: values[index], scale: scale))
            sum += weights[index] * difference * difference
        }
        return sum
    }
}
