/// How a row of numbers is stored: the arithmetic between `Float` values and the bytes of a file.
///
/// Everything that has to know how a number is stored asks its codec: the converter, the fake quantizer,
/// the matrix product, the memory plan. A codec is a value without state. ``GGMLType/codec`` gives the one
/// of a GGUF tensor type; ``Int4`` and ``SFP8`` exist outside GGUF.
///
/// ```swift
/// let codec = Q4_0()
/// var bytes = [UInt8](repeating: 0, count: codec.byteCount(columns: 64)!)
/// var span = bytes.mutableSpan
/// var raw = span.mutableBytes
/// try codec.encode(weights.span, columns: 64, into: &raw)
/// ```
public protocol Codec: Sendable {
    /// The name as files and the command line spell it: `Q4_0`.
    var name: String { get }

    /// Elements that share quantization parameters; a row is a whole number of them.
    var blockSize: Int { get }

    /// Whether ``encode(_:columns:importance:into:level:)`` exists; false for formats that are only read.
    var canEncode: Bool { get }

    /// Whether an importance matrix changes what is encoded.
    var usesImportance: Bool { get }

    /// Bytes of a row of `columns` elements, or nil where such a row cannot be stored.
    func byteCount(columns: Int) -> Int?

    /// Encodes whole rows.
    ///
    /// - Parameters:
    ///   - rows: `rows.count / columns` rows of `columns` values, one after the other.
    ///   - columns: elements of a row, a multiple of ``blockSize``.
    ///   - importance: weight of the squared error of each column, `columns` finite values >= 0, the same
    ///     for all rows; nil weighs as the format's plain encoding does.
    ///   - bytes: `byteCount(columns:)` bytes a row.
    ///   - level: the instruction level; every level gives the same bits.
    /// - Throws: ``CodecError`` where a value is NaN or infinite, or a scale exceeds its storage.
    func encode(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan,
        level: KernelLevel
    ) throws(CodecError)

    /// Decodes whole rows: the inverse layout of ``encode(_:columns:importance:into:level:)``.
    /// Every byte pattern is valid; non-finite scales give non-finite values.
    func decode(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>, level: KernelLevel)

    /// ``encode(_:columns:importance:into:level:)`` in plain Swift: what the kernels are tested against.
    func encodeReference(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>?, into bytes: inout MutableRawSpan)

    /// ``decode(_:columns:into:level:)`` in plain Swift: what the kernels are tested against.
    func decodeReference(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>)
}

/// Why a row could not be encoded.
public enum CodecError: Error, Equatable, Sendable {
    /// The value at `index` of the span is NaN or infinite.
    case nonFiniteValue(index: Int, value: Float)
    /// The block at `block` of the span needs a scale or minimum that its storage cannot hold.
    case scaleOverflow(block: Int)
}
