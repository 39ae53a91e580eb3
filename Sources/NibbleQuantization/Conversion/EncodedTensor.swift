public import NibbleNumerics

// @unchecked: the bytes are only read, and live as long as the owner that is held.
/// A matrix in the form that a file stores it, in memory of someone else: what a trainer has run its model on.
///
/// The bytes are borrowed, not copied, and must not change while a conversion that was given them runs.
///
/// ```swift
/// let matrix = EncodedTensor(rows: 640, columns: 2048, type: .q4_0, bytes: buffer.bytes, owner: buffer)
/// request.replacements[TensorRole(.feedForwardDown, layer: 3)] = .encoded(matrix)
/// ```
public struct EncodedTensor: @unchecked Sendable {
    /// Rows, in the order of the source checkpoint: for a hub folder of Llama, query and key rows are in
    /// halves; for its GGUF file they are neighbours.
    public let rows: Int
    /// Elements of a row.
    public let columns: Int
    /// How elements are stored.
    public let format: WeightFormat
    /// `rows` rows, one after the other; valid while the tensor lives.
    let bytes: UnsafeRawBufferPointer
    /// The arithmetic of ``format``.
    let codec: any Codec
    private let owner: any AnyObject & Sendable

    /// Creates a view of encoded weights.
    ///
    /// - Parameters:
    ///   - rows: rows, 1 or more.
    ///   - columns: elements of a row, a whole number of blocks of `type`.
    ///   - type: a type that Nibble writes.
    ///   - bytes: `rows` rows, one after the other.
    ///   - owner: what keeps `bytes` valid.
    public init(
        rows: Int, columns: Int, type: GGMLType, bytes: UnsafeRawBufferPointer,
        owner: any AnyObject & Sendable
    ) {
        self.init(rows: rows, columns: columns, format: .ggml(type), bytes: bytes, owner: owner)
    }

    /// The same for a format that GGUF may lack.
    public init(
        rows: Int, columns: Int, format: WeightFormat, bytes: UnsafeRawBufferPointer,
        owner: any AnyObject & Sendable
    ) {
        precondition(rows > 0 && columns > 0, "\(rows) rows of \(columns) columns, expected 1 or more")
        guard let codec = format.codec, codec.canEncode else {
            preconditionFailure("\(format) cannot be encoded")
        }
        guard let rowBytes = format.byteCount(columns: columns) else {
            preconditionFailure("\(columns) columns are no whole \(format) blocks of \(codec.blockSize)")
        }
        precondition(
            bytes.count == rows * rowBytes, "\(bytes.count) bytes for \(rows) rows of \(rowBytes) bytes")
        self.rows = rows
        self.columns = columns
        self.format = format
        self.codec = codec
        self.bytes = bytes
        self.owner = owner
    }

    /// Calls `body` with the bytes, `rows` rows one after the other, which are valid for the call.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withExtendedLifetime(owner) { () throws(Failure) in try body(bytes) }
    }

    /// The stored bytes of a run of elements that begins and ends with a block, or with a row where scales stand
    /// at the head of each.
    func bytes(of elements: Range<Int>) -> UnsafeRawBufferPointer {
        guard let lower = format.byteCount(elements: elements.lowerBound, columns: columns),
            let upper = format.byteCount(elements: elements.upperBound, columns: columns),
            upper <= bytes.count
        else { preconditionFailure("elements \(elements) of \(rows) rows of \(columns) as \(format)") }
        return UnsafeRawBufferPointer(rebasing: bytes[lower..<upper])
    }

    /// Decodes a run of elements, as of ``bytes(of:)``.
    func decode(_ elements: Range<Int>, into values: inout MutableSpan<Float>, level: KernelLevel) {
        codec.decode(
            RawSpan(_unsafeBytes: bytes(of: elements)),
            columns: format.ggmlType == nil ? columns : elements.count,
            into: &values, level: level)
    }

    /// The first element of a run, as of ``bytes(of:)``, that is NaN or infinite, or whose block has such a scale.
    func firstInvalidElement(in run: Range<Int>) -> Int? {
        switch format {
        case .ggml(let type):
            return type.firstInvalidBlock(in: RawSpan(_unsafeBytes: bytes(of: run)))
                .map { run.lowerBound + $0 * type.blockSize }
        case .int4(let group):
            let size = group ?? columns
            for start in stride(from: run.lowerBound, to: run.upperBound, by: columns) {
                let row = bytes(of: start..<start + columns)
                let invalid = (0..<columns / size).first { index in
                    let scale = row.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                    return UInt16(littleEndian: scale) & 0x7F80 == 0x7F80
                }
                if let invalid { return start + invalid * size }
            }
            return nil
        case .sfp8: return nil
        }
    }
}

extension WeightFormat {
    /// Bytes of a run of elements from the begin of a matrix of `columns`; nil where it ends within a block, or within a
    /// row where scales stand at the head of each.
    func byteCount(elements: Int, columns: Int) -> Int? {
        if let ggmlType { return ggmlType.byteCount(elements: elements) }
        return elements.isMultiple(of: columns)
            ? byteCount(columns: columns).map { elements / columns * $0 } : nil
    }
}
