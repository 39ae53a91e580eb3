/// IEEE double precision, eight bytes an element, low byte first; read, not written.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 8 | value |
///
/// Decoding rounds to the nearest `Float`, ties to even; values beyond its range become infinite.
public struct F64: Codec {
    /// The codec.
    public init() {}

    /// `F64`
    public var name: String { GGMLType.f64.description }
    /// 1
    public var blockSize: Int { 1 }
    /// False: no model needs it.
    public var canEncode: Bool { false }
    /// False.
    public var usesImportance: Bool { false }

    /// Eight bytes an element.
    public func byteCount(columns: Int) -> Int? { columns < 0 ? nil : 8 * columns }

    /// Not available: see ``canEncode``.
    public func encode(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan,
        level: KernelLevel
    ) throws(CodecError) {
        preconditionFailure("F64 is read, not written")
    }

    /// Decodes whole rows, the same at every level.
    public func decode(
        _ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>, level: KernelLevel
    ) {
        decodeReference(bytes, columns: columns, into: &rows)
    }

    /// Not available: see ``canEncode``.
    public func encodeReference(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan
    ) {
        preconditionFailure("F64 is read, not written")
    }

    /// Decodes whole rows.
    public func decodeReference(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>) {
        precondition(bytes.byteCount == 8 * rows.count, "\(bytes.byteCount) bytes for \(rows.count) elements")
        for index in rows.indices { rows[index] = Float(Self.value(bytes, index)) }
    }

    private static func value(_ bytes: RawSpan, _ index: Int) -> Double {
        let bits = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
        return Double(bitPattern: UInt64(littleEndian: bits))
    }

    /// The first element that a `Float` cannot hold: NaN, infinite or too large.
    static func firstInvalid(_ bytes: RawSpan) -> Int? {
        (0..<bytes.byteCount / 8).first { !Float(value(bytes, $0)).isFinite }
    }
}
