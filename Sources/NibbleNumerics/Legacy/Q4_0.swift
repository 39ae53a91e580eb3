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
public struct Q4_0: GridCodec {
    static let type = GGMLType.q4_0
    static let grid = GridShape(partSize: 32, levels: .integers(-8...7))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        if let importance {
            let weights = LegacyBlocks.weights(x, importance)
            let (scale, codes) = symmetricSearch(x, weights: weights, limit: 8)
            return pack(.init(scale: Half.f16(scale)), codes)
        }
        let scale = LegacyBlocks.extreme(x) / -8
        let inverse = LegacyBlocks.inverse(scale)
        return pack(.init(scale: Half.f16(scale)), x.map { min(15, truncatedByte($0 * inverse + 8.5)) })
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        bytes(parameters.scale) + LegacyBlocks.nibbles(codes)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { .init(scale: block.word(at: 0)) }

    static func codes(of block: [UInt8]) -> [Int] { LegacyBlocks.codes(block, at: 2) }
}
