/// The bytes of rows whose scales, minima and values are chosen.
extension WeightGrid {
    /// Encodes whole rows with given records.
    ///
    /// - Parameters:
    ///   - values: rows of ``columns`` finite values; each gets the nearest code that its part has.
    ///   - records: ``recordsPerRow`` floats a row.
    ///   - bytes: the bytes of the rows in their format.
    ///   - level: the instruction level; every level gives the same bits.
    /// - Throws: `CodecError` where a value is NaN or infinite, or a scale exceeds its storage.
    package func encode(
        _ values: Span<Float>, records: Span<Float>, into bytes: inout MutableRawSpan, level: KernelLevel
    ) throws(CodecError) {
        let rows = values.count / columns
        precondition(
            values.count == rows * columns && records.count == rows * recordsPerRow,
            "\(values.count) values and \(records.count) floats of records of \(format)")
        if let scaledBlocks {
            return try scaledBlocks.encode(values, scales: records, into: &bytes, level: level)
        }
        guard let codec = format.codec, let rowBytes = format.byteCount(columns: columns) else {
            preconditionFailure("\(format) does not encode rows of \(columns)")
        }
        precondition(bytes.byteCount == rows * rowBytes, "\(bytes.byteCount) bytes for \(rows) rows")
        try codec.checkFinite(values, level)
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe records.withUnsafeBufferPointer { records in
                guard let start = records.baseAddress else { return }
                for row in 0..<rows {
                    let numbers = values.extracting(row * columns..<(row + 1) * columns)
                    let own = unsafe encoded(numbers, records: start + row * recordsPerRow)
                    let target = unsafe UnsafeMutableRawBufferPointer(
                        rebasing: bytes[row * rowBytes..<(row + 1) * rowBytes])
                    unsafe target.copyBytes(from: own)
                }
            }
        }
    }

    /// The bytes of a row.
    private func encoded(_ values: Span<Float>, records: UnsafePointer<Float>) -> [UInt8] {
        let codes = (0..<columns).map { column in
            let record = unsafe record(records + column / blockSize * recordSize)
            let part = column % blockSize / shape.partSize
            return shape.levels.code(
                level(of: values[column], scale: record.scale(part), minimum: record.minimum(part)))
        }
        let count = columns / blockSize
        guard let blocks else {
            let scales = (0..<count).map { unsafe Half.bf16(records[$0]) }
            return Int4.pack(scales: scales, codes: codes.map { $0 + Int(shape.levels.bounds.lowest) })
        }
        return (0..<count).flatMap { block in
            unsafe blocks.pack(
                record(records + block * recordSize).parameters,
                codes[block * blockSize..<(block + 1) * blockSize].map { UInt8($0) })
        }
    }
}
