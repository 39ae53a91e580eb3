/// Blocks of 32 values with a scale and a minimum: 4-bit codes, 5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 2 | m, half |
/// | 4 | 16 | codes q: byte j holds element j (low four bits) and element j + 16 |
///
/// Decoding: x = d q + m, product and sum rounded separately.
///
/// Encoding: m = min, d = (max - min) / 15, q = min(15, ⌊(x - m) / d + 0.5⌋) with the reciprocal of d and with
/// m in Float before they are rounded to half: ties go up.
///
/// - All values equal: d is 0, codes are 0. All zero: 20 zero bytes (the sign of the first zero is kept in m).
/// - Scales below the half range: d and m are rounded to subnormal halves or zero, the codes stay.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``; a range of 982800 or more, or a
///   minimum of magnitude 65520 or more, is ``CodecError/scaleOverflow(block:)``.
/// - With importance: scale and minimum are searched for the smallest weighted squared error with
///   w = importance · √(mean square of the row + x²), among 38 candidates (`make_qkx3_quants`); m is then at
///   most 0, and codes are not chosen again after d and m are rounded.
///
/// Source: ggml's `quantize_row_q4_1_ref`, `quantize_row_q4_1_impl`, `dequantize_row_q4_1`.
public struct Q4_1: KernelCodec {
    static let type = GGMLType.q4_1

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        if let importance {
            let weights = LegacyBlocks.weights(x, importance)
            let (scale, minimum, codes) = affineSearch(
                x, weights: weights, limit: 15, grid: .weighted)
            return bytes(Half.f16(scale)) + bytes(Half.f16(-minimum)) + LegacyBlocks.nibbles(codes)
        }
        let (minimum, maximum) = LegacyBlocks.range(x)
        let scale = (maximum - minimum) / 15
        let inverse = LegacyBlocks.inverse(scale)
        let codes = x.map { min(15, truncatedByte(($0 - minimum) * inverse + 0.5)) }
        return bytes(Half.f16(scale)) + bytes(Half.f16(minimum)) + LegacyBlocks.nibbles(codes)
    }

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let (scale, minimum) = (block.half(at: 0), block.half(at: 2))
        return LegacyBlocks.codes(block, at: 4).map { Float($0) * scale + minimum }
    }
}
