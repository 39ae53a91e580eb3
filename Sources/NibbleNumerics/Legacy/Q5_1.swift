/// Blocks of 32 values with a scale and a minimum: 5-bit codes, 6 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 2 | m, half |
/// | 4 | 4 | fifth bits: bit j, low byte first, belongs to element j |
/// | 8 | 16 | low four bits of q: byte j holds element j (low half) and element j + 16 |
///
/// Decoding: x = d q + m, product and sum rounded separately.
///
/// Encoding: m = min, d = (max - min) / 31, q = ⌊(x - m) / d + 0.5⌋ with the reciprocal of d and with m in
/// Float before they are rounded to half: ties go up. No clamp is needed: 31 is the most that can arise.
///
/// - All values equal: d is 0, codes are 0. All zero: 24 zero bytes (the sign of the first zero is kept in m).
/// - Scales below the half range: d and m are rounded to subnormal halves or zero, the codes stay.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``; a range of 2031120 or more, or a
///   minimum of magnitude 65520 or more, is ``CodecError/scaleOverflow(block:)``.
/// - With importance: as ``Q4_1`` with codes 0 ... 31.
///
/// Source: ggml's `quantize_row_q5_1_ref`, `quantize_row_q5_1_impl`, `dequantize_row_q5_1`.
public struct Q5_1: KernelCodec {
    static let type = GGMLType.q5_1

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        if let importance {
            let weights = LegacyBlocks.weights(x, importance)
            let (scale, minimum, codes) = affineSearch(
                x, weights: weights, limit: 31, grid: .weighted)
            return pack(scale, -minimum, codes)
        }
        let (minimum, maximum) = LegacyBlocks.range(x)
        let scale = (maximum - minimum) / 31
        let inverse = LegacyBlocks.inverse(scale)
        return pack(scale, minimum, x.map { truncatedByte(($0 - minimum) * inverse + 0.5) })
    }

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let (scale, minimum) = (block.half(at: 0), block.half(at: 2))
        return LegacyBlocks.codes(block, at: 8, fifthBitsAt: 4).map { Float($0) * scale + minimum }
    }

    private static func pack(_ scale: Float, _ minimum: Float, _ codes: [UInt8]) -> [UInt8] {
        bytes(Half.f16(scale)) + bytes(Half.f16(minimum)) + LegacyBlocks.fifthBits(codes)
            + LegacyBlocks.nibbles(codes)
    }
}
