/// BFloat16, the upper half of a `Float`, two bytes an element, low byte first.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | value |
///
/// Encoding rounds to nearest, ties to even, subnormals included. Values beyond 3.3961775e38 would become
/// infinite and are ``CodecError/scaleOverflow(block:)``; NaN and infinities are
/// ``CodecError/nonFiniteValue(index:value:)``. Decoding is exact. Importance changes nothing.
///
/// Source: ggml's `ggml_fp32_to_bf16_row_ref`.
public struct BF16: KernelCodec {
    static let type = GGMLType.bf16

    /// The codec.
    public init() {}

    /// False: every value is rounded by itself.
    public var usesImportance: Bool { false }

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] { bytes(Half.bf16(x[0])) }

    static func decodeBlock(_ block: [UInt8]) -> [Float] { [Half.float(bf16: block.word(at: 0))] }
}
