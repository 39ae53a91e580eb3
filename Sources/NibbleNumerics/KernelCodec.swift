internal import CKernels

/// A codec of a GGML type: a layout and a pair of reference functions, to which this protocol adds the kernels
/// and the checks around them.
///
/// The references work on arrays, one block at a time, because they are there to be read and compared.
protocol KernelCodec: Codec {
    static var type: GGMLType { get }

    init()

    /// Encodes the values of a block.
    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8]

    /// Decodes the bytes of a block.
    static func decodeBlock(_ block: [UInt8]) -> [Float]
}

/// What an importance matrix says about a block.
struct BlockImportance {
    /// Weight of each column of the block.
    var weights: [Float]
    /// Mean of x² over the row that holds the block, summed in order in Float: the variance that the 32-element
    /// formats use. The K formats take that of their own 256 elements instead.
    var rowMeanSquare: Float

    /// Weights of squared errors of a part of the block: importance times the root of (variance + x²).
    func errorWeights(_ x: ArraySlice<Float>, variance: Float) -> [Float] {
        x.indices.map { weights[$0] * (variance + x[$0] * x[$0]).squareRoot() }
    }
}

extension KernelCodec {
    /// The name of the type.
    public var name: String { Self.type.description }
    /// Elements of a block of the type.
    public var blockSize: Int { Self.type.blockSize }
    /// True where the codec does not say otherwise.
    public var canEncode: Bool { true }
    /// True where the codec does not say otherwise.
    public var usesImportance: Bool { true }

    /// Bytes of a row of `columns` elements, or nil where they are not whole blocks.
    public func byteCount(columns: Int) -> Int? { Self.type.byteCount(elements: columns) }

    // MARK: - Kernels

    /// Encodes whole rows; see ``Codec/encode(_:columns:importance:into:level:)``.
    public func encode(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan,
        level: KernelLevel
    ) throws(CodecError) {
        checkEncoding(rows, columns, importance, bytes.byteCount)
        try checkFinite(rows, level)
        guard !rows.isEmpty else { return }
        guard let kernel = unsafe Self.kernels(level).encode else {
            preconditionFailure("\(name) has no encoding kernel at level \(level)")
        }
        let (type, blocks) = (Self.type.rawValue, rows.count / blockSize)
        let invalid = unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe rows.withUnsafeBufferPointer { rows in
                let output = unsafe bytes.bindMemory(to: UInt8.self)
                // Neither is empty, so both have an address.
                guard let x = rows.baseAddress, let out = output.baseAddress else { return blocks }
                if let importance {
                    unsafe importance.withUnsafeBufferPointer { importance in
                        unsafe kernel(x, importance.baseAddress, out, columns, rows.count / columns)
                    }
                } else {
                    unsafe kernel(x, nil, out, columns, rows.count / columns)
                }
                return unsafe nibble_first_invalid_block(type, out, blocks, level.number)
            }
        }
        if invalid < blocks { throw .scaleOverflow(block: invalid) }
    }

    /// Decodes whole rows; see ``Codec/decode(_:columns:into:level:)``.
    public func decode(
        _ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>, level: KernelLevel
    ) {
        checkDecoding(bytes, columns, rows.count)
        guard !rows.isEmpty else { return }
        guard let kernel = unsafe Self.kernels(level).decode else {
            preconditionFailure("\(name) has no decoding kernel at level \(level)")
        }
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe rows.withUnsafeMutableBufferPointer { rows in
                let input = unsafe bytes.bindMemory(to: UInt8.self)
                guard let source = input.baseAddress, let target = rows.baseAddress else { return }
                unsafe kernel(source, target, rows.count)
            }
        }
    }

    private static func kernels(_ level: KernelLevel) -> nibble_codec {
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        guard let kernels = unsafe nibble_codec_for(type.rawValue, level.number) else {
            preconditionFailure("\(type) has no kernels at level \(level)")
        }
        return unsafe kernels.pointee
    }

    // MARK: - Reference

    /// Encodes whole rows in plain Swift.
    public func encodeReference(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan
    ) {
        checkEncoding(rows, columns, importance, bytes.byteCount)
        let (elements, size) = (blockSize, Self.type.blockBytes)
        var meanSquare: Float = 0
        for block in 0..<rows.count / elements {
            let start = block * elements
            let column = start % columns
            var weights: BlockImportance?
            if let importance {
                if column == 0 { meanSquare = Self.meanSquare(rows.extracting(start..<start + columns)) }
                weights = BlockImportance(
                    weights: (column..<column + elements).map { importance[$0] }, rowMeanSquare: meanSquare)
            }
            let encoded = Self.encodeBlock((start..<start + elements).map { rows[$0] }, importance: weights)
            precondition(encoded.count == size, "\(name): block of \(encoded.count) bytes, not \(size)")
            for (index, byte) in encoded.enumerated() {
                bytes.storeBytes(of: byte, toByteOffset: block * size + index, as: UInt8.self)
            }
        }
    }

    /// Decodes whole rows in plain Swift.
    public func decodeReference(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>) {
        checkDecoding(bytes, columns, rows.count)
        let (elements, size) = (blockSize, Self.type.blockBytes)
        for block in 0..<rows.count / elements {
            let range = block * size..<(block + 1) * size
            let encoded = range.map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
            let values = Self.decodeBlock(encoded)
            precondition(values.count == elements, "\(name): block of \(values.count), not \(elements)")
            for (index, value) in values.enumerated() { rows[block * elements + index] = value }
        }
    }

    private static func meanSquare(_ row: Span<Float>) -> Float {
        var sum: Float = 0
        for index in row.indices { sum += row[index] * row[index] }
        return sum / Float(row.count)
    }
}

// MARK: - Checks

extension Codec {
    /// Traps where the arguments of `encode` do not fit together.
    func checkEncoding(_ rows: Span<Float>, _ columns: Int, _ importance: Span<Float>?, _ bytes: Int) {
        precondition(canEncode, "\(name) can be decoded but not encoded")
        checkCounts(values: rows.count, columns, bytes: bytes)
        guard let importance else { return }
        precondition(
            importance.count == columns, "importance has \(importance.count) values for \(columns) columns")
        for column in importance.indices {
            let weight = importance[column]
            precondition(weight >= 0 && weight.isFinite, "importance of column \(column) is \(weight)")
        }
    }

    /// Traps where the arguments of `decode` do not fit together.
    func checkDecoding(_ bytes: RawSpan, _ columns: Int, _ values: Int) {
        checkCounts(values: values, columns, bytes: bytes.byteCount)
    }

    private func checkCounts(values: Int, _ columns: Int, bytes: Int) {
        guard let rowBytes = byteCount(columns: columns) else {
            preconditionFailure("\(name): a row of \(columns) columns is not a whole number of \(blockSize)")
        }
        let rows = columns == 0 ? 0 : values / columns
        precondition(
            rows * columns == values, "\(name): \(values) values are not whole rows of \(columns) columns")
        precondition(
            rows * rowBytes == bytes,
            "\(name): \(rows) rows of \(columns) columns take \(rows * rowBytes) bytes, not \(bytes)")
    }

    /// Throws at the first NaN or infinity of `values`.
    func checkFinite(_ values: Span<Float>, _ level: KernelLevel) throws(CodecError) {
        precondition(level <= .best, "level \(level) exceeds this machine's best, \(KernelLevel.best)")
        let index = unsafe values.withUnsafeBufferPointer { values in
            guard let start = values.baseAddress else { return 0 }
            return unsafe nibble_first_nonfinite(start, values.count, level.number)
        }
        if index < values.count { throw .nonFiniteValue(index: index, value: values[index]) }
    }
}
