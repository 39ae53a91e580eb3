public import NibbleNumerics

// @unchecked: operations only read the bytes, which live as long as the owner that is held; who changes them does so
// between passes.
/// A matrix of weights as a file stores it: `[rows, columns]` = `[out, in]`, rows of blocks or plain numbers.
public struct Matrix: @unchecked Sendable {
    /// Outputs.
    public let rows: Int
    /// Inputs.
    public let columns: Int
    /// The type, or nil for codecs that GGUF has no type for.
    public let type: GGMLType?
    /// How elements are stored.
    public let codec: any Codec
    /// What training changes through it, `rows * columns` values; nil where it stays as it is.
    public private(set) var parameter: Parameter?
    /// Bytes of a row.
    let rowBytes: Int
    private let bytes: UnsafeRawBufferPointer
    private let owner: any AnyObject & Sendable

    /// Creates a view of stored weights.
    ///
    /// - Parameters:
    ///   - bytes: `rows` rows or more, one after the other.
    ///   - owner: what keeps `bytes` valid.
    /// - Returns: nil where the type cannot be decoded or a row is not a whole number of blocks.
    public init?(
        rows: Int, columns: Int, type: GGMLType, bytes: UnsafeRawBufferPointer,
        owner: any AnyObject & Sendable, parameter: Parameter? = nil
    ) {
        self.init(
            rows: rows, columns: columns, format: .ggml(type), bytes: bytes, owner: owner,
            parameter: parameter)
    }

    /// The same for weights of any format.
    public init?(
        rows: Int, columns: Int, format: WeightFormat, bytes: UnsafeRawBufferPointer,
        owner: any AnyObject & Sendable, parameter: Parameter? = nil
    ) {
        guard let codec = format.codec, let rowBytes = format.byteCount(columns: columns) else { return nil }
        precondition(bytes.count >= rows * rowBytes, "\(bytes.count) bytes for \(rows) rows of \(rowBytes)")
        precondition(
            parameter.map { $0.count == rows * columns } ?? true, "parameter of another size than its matrix")
        self.rows = rows
        self.columns = columns
        type = format.ggmlType
        self.codec = codec
        self.rowBytes = rowBytes
        self.bytes = bytes
        self.owner = owner
        self.parameter = parameter
    }

    /// The same weights as a parameter.
    ///
    /// - Parameter parameter: of `rows * columns` values.
    package func with(_ parameter: Parameter) -> Matrix {
        precondition(parameter.count == rows * columns, "parameter of another size than its matrix")
        var result = self
        result.parameter = parameter
        return result
    }

    /// The stored bytes of some rows.
    func stored(_ rows: Range<Int>) -> UnsafeRawBufferPointer {
        // Slices of unsafe pointers are not checked in release builds.
        precondition(
            rows.lowerBound >= 0 && rows.upperBound <= self.rows, "rows \(rows) of a matrix of \(self.rows)")
        return UnsafeRawBufferPointer(
            rebasing: bytes[rows.lowerBound * rowBytes..<rows.upperBound * rowBytes])
    }

    /// Decodes some rows: `rows.count * columns` values.
    package func decode(_ rows: Range<Int>, into values: UnsafeMutablePointer<Float>, level: KernelLevel) {
        var span = UnsafeMutableBufferPointer(start: values, count: rows.count * columns).mutableSpan
        codec.decode(RawSpan(_unsafeBytes: stored(rows)), columns: columns, into: &span, level: level)
    }

    /// The values of one row.
    public func row(_ index: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: columns) { buffer, count in
            buffer.initialize(repeating: 0)
            if let start = buffer.baseAddress { decode(index..<index + 1, into: start, level: .best) }
            count = columns
        }
    }
}
