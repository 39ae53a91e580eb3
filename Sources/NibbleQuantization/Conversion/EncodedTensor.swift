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
    /// Bytes of a row.
    let rowBytes: Int
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
        self.rowBytes = rowBytes
        self.bytes = bytes
        self.owner = owner
    }

    /// Calls `body` with the bytes, `rows` rows one after the other, which are valid for the call.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withExtendedLifetime(owner) { () throws(Failure) in try body(bytes) }
    }

    /// The stored bytes of a run of elements that begins and ends with a block, or with a row where ``isRowwise``.
    func bytes(of elements: Range<Int>) -> UnsafeRawBufferPointer {
        guard let lower = offset(elements.lowerBound), let upper = offset(elements.upperBound),
            upper <= bytes.count
        else { preconditionFailure("elements \(elements) of \(rows) rows of \(columns) as \(format)") }
        return UnsafeRawBufferPointer(rebasing: bytes[lower..<upper])
    }

    /// Whether only whole rows can be taken apart, as scales stand at their head.
    var isRowwise: Bool { format.ggmlType == nil }

    private func offset(_ element: Int) -> Int? {
        if let type = format.ggmlType { return type.byteCount(elements: element) }
        return element.isMultiple(of: columns) ? element / columns * rowBytes : nil
    }

    /// Decodes a run of elements, as of ``bytes(of:)``.
    func decode(_ elements: Range<Int>, into values: inout MutableSpan<Float>) {
        codec.decode(
            RawSpan(_unsafeBytes: bytes(of: elements)), columns: isRowwise ? columns : elements.count,
            into: &values, level: .best)
    }
}
