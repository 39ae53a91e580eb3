/// IEEE half precision, two bytes an element, low byte first.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | value |
///
/// Encoding rounds to nearest, ties to even. Subnormals are kept, values below half the smallest one (2⁻²⁵ and
/// less) become zero of the same sign. 65520 and more would become infinite and are
/// ``CodecError/scaleOverflow(block:)``; NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``.
/// Decoding is exact. Importance changes nothing.
///
/// Source: ggml's `ggml_fp32_to_fp16_row`.
public struct F16: KernelCodec {
    static let type = GGMLType.f16

    /// The codec.
    public init() {}

    /// False: every value is rounded by itself.
    public var usesImportance: Bool { false }

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] { bytes(Half.f16(x[0])) }

    static func decodeBlock(_ block: [UInt8]) -> [Float] { [block.half(at: 0)] }
}
