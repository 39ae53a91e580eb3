/// Blocks of 32 values with a scale: 4-bit codes, 4.5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 16 | codes q: byte j holds element j (low four bits) and element j + 16 |
///
/// Decoding: x = d (q - 8).
///
/// Encoding: d = max / -8 where max is the value of largest magnitude with its sign, the first of several; so
/// the extreme has code 0, and d is negative where it is positive. q = min(15, ⌊x / d + 8.5⌋) with the
/// reciprocal of d in Float before d is rounded to half: ties go up in units of d. A value of the extreme's
/// magnitude and opposite sign would need code 16 and is clamped to 15.
///
/// - All values zero: d is -0 and all codes are 8, bytes `00 80 88 … 88`.
/// - Scales below the half range: d is rounded to a subnormal half or to zero, the codes stay; then the block
///   decodes to coarser values or to zeros.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, |max| >= 524160 is
///   ``CodecError/scaleOverflow(block:)``.
/// - With importance: the scale is searched for the smallest Σ w (x - d(q - 8))² with
///   w = importance · √(mean square of the row + x²), among 19 candidates (`make_qx_quants`); codes are not
///   chosen again after d is rounded. A block of values below 1e-15 has d 0 and codes 0.
///
/// Choose ``Q4_K`` for the same size and smaller error where rows are multiples of 256.
///
/// Source: ggml's `quantize_row_q4_0_ref`, `quantize_row_q4_0_impl`, `dequantize_row_q4_0`.
public struct Q4_0: KernelCodec {
    static let type = GGMLType.q4_0

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        if let importance {
            let weights = LegacyBlocks.weights(x, importance)
            let (scale, codes) = symmetricSearch(x, weights: weights, limit: 8)
            return bytes(Half.f16(scale)) + LegacyBlocks.nibbles(codes)
        }
        let scale = LegacyBlocks.extreme(x) / -8
        let inverse = LegacyBlocks.inverse(scale)
        let codes = x.map { min(15, truncatedByte($0 * inverse + 8.5)) }
        return bytes(Half.f16(scale)) + LegacyBlocks.nibbles(codes)
    }

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let scale = block.half(at: 0)
        return LegacyBlocks.codes(block, at: 2).map { Float($0 - 8) * scale }
    }
}
