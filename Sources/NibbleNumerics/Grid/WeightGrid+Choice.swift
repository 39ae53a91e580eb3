/// Scales and minima of blocks that are to be rounded.
extension WeightGrid {
    /// Chooses the records of blocks: those of the codec's own search, portable where scales are free numbers.
    ///
    /// - Parameters:
    ///   - values: rows, or parts of rows, one after the other; finite.
    ///   - columns: values of a row, a whole number of blocks.
    ///   - importance: a weight of 0 or more for the squared error of each of `columns`; nil chooses as the codec does
    ///     without.
    ///   - records: ``recordSize`` floats for each block.
    ///   - level: the instruction level; every level gives the same bits.
    /// - Throws: `CodecError` where a value is NaN or infinite, or a scale exceeds its storage.
    package func choose(
        _ values: Span<Float>, columns: Int, importance: Span<Float>?, into records: inout MutableSpan<Float>,
        level: KernelLevel
    ) throws(CodecError) {
        let count = values.count / blockSize
        precondition(
            columns.isMultiple(of: blockSize) && values.count.isMultiple(of: columns)
                && records.count == count * recordSize,
            "\(values.count) values in rows of \(columns) and \(records.count) floats of records of \(format)"
        )
        if let scaledBlocks {
            return try choose(scaledBlocks, values, importance, into: &records, level)
        }
        guard let codec = format.codec else { preconditionFailure("\(format) has no codec") }
        if let importance, blocks == nil || !codec.usesImportance {
            try codec.checkFinite(values, level)
            for block in 0..<count {
                let (first, column) = (block * blockSize, block * blockSize % columns)
                records[block] = shape.searchScale(
                    values.extracting(first..<first + blockSize),
                    importance: importance.extracting(column..<column + blockSize))
            }
            return
        }
        guard let blocks else {
            try codec.checkFinite(values, level)
            for block in 0..<count {
                let first = block * blockSize
                records[block] = shape.scales.nearest(
                    Int4.scale(values.extracting(first..<first + blockSize)), unit: 1)
            }
            return
        }
        let size = blocks.type.blockBytes
        var bytes = [UInt8](repeating: 0, count: count * size)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try codec.encode(values, columns: columns, importance: importance, into: &raw, level: level)
        unsafe records.withUnsafeMutableBufferPointer { records in
            guard let start = records.baseAddress else { return }
            for block in 0..<count {
                let stored = blocks.parameters(of: Array(bytes[block * size..<(block + 1) * size]))
                unsafe store(stored, into: start + block * recordSize)
            }
        }
    }

    private func choose(
        _ blocks: ScaledBlocks, _ values: Span<Float>, _ importance: Span<Float>?,
        into records: inout MutableSpan<Float>, _ level: KernelLevel
    ) throws(CodecError) {
        if let importance {
            return try blocks.searchScales(values, importance: importance, into: &records, level: level)
        }
        try blocks.codec.checkFinite(values, level)
        blocks.chooseScales(values, into: &records)
        for block in 0..<records.count { records[block] = ScaledBlocks.portable(records[block]) }
    }
}

extension Int4 {
    /// The scale that the codec chooses for a group.
    static func scale(_ x: Span<Float>) -> Float {
        var largest: Float = 0
        for index in x.indices { largest = max(largest, x[index].magnitude) }
        return Half.float(bf16: Half.bf16(largest / 7))
    }
}

extension GridShape {
    /// The scale of a block of one part without minimum: of those that put the extreme on the last level or, where levels are
    /// not symmetric, on the first, and 19 around each, every one fitted by least squares to the codes that it gives, the
    /// one with the smallest Σ w error², as ggml searches the scales of its symmetric types (`make_qx_quants`).
    ///
    /// - Parameter importance: w of each element.
    func searchScale(_ x: Span<Float>, importance: Span<Float>) -> Float {
        precondition(partSize == x.count && minima == nil, "a search in blocks of several scales")
        var extreme: Float = 0
        for index in x.indices where x[index].magnitude > extreme.magnitude { extreme = x[index] }
        let (lowest, highest) = levels.bounds
        let isSymmetric = lowest == -highest
        if isSymmetric { extreme = extreme.magnitude }
        var (best, smallest): (Float, Float) = (0, .infinity)
        for edge in isSymmetric ? [highest] : [highest, lowest] {
            let plain = scales.nearest(extreme / edge, unit: 1)
            guard plain != 0 else { continue }
            let error = sums(x, importance, plain).error
            if best == 0 || error < smallest { (best, smallest) = (plain, error) }
            for step in -9...9 {
                let found = sums(x, importance, plain * edge / (edge + 0.1 * Float(step)))
                guard found.l2 > 0 else { continue }
                let fitted = scales.nearest(found.lx / found.l2, unit: 1)
                guard isSymmetric ? fitted > 0 : fitted != 0 else { continue }
                let error = sums(x, importance, fitted).error
                if error < smallest { (best, smallest) = (fitted, error) }
            }
        }
        return best
    }

    /// The error of a scale, and what the scale comes of that fits its codes best.
    private func sums(
        _ x: Span<Float>, _ importance: Span<Float>, _ scale: Float
    ) -> (error: Float, lx: Float, l2: Float) {
        var (error, sumLX, sumL2): (Float, Float, Float) = (0, 0, 0)
        for index in x.indices {
            let level = levels.nearest(x[index] / scale)
            let difference = x[index] - scale * level
            error += importance[index] * difference * difference
            sumLX += importance[index] * x[index] * level
            sumL2 += importance[index] * level * level
        }
        return (error, sumLX, sumL2)
    }
}
