/// Blocks of 32 values with a scale: 4-bit codes of unevenly spaced levels, 4.5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 16 | codes q: byte j holds element j (low four bits) and element j + 16 |
///
/// Decoding: x = d K[q], K = -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113.
///
/// Encoding: for the scale that maps the value of largest magnitude to 127, and 15 scales that map it to
/// -127 + t, t = -7 ... 7, codes are those of the nearest levels and the scale is fitted to them by least
/// squares, weights x²; the fit with the smallest error wins, the earlier one where two are equal. Codes are
/// then chosen for that scale before it is rounded to half. Ties go to the upper level.
///
/// - All |x| < 1e-15: d is 0 and all codes are 8, the level nearest to zero; bytes `00 00 88 … 88`.
/// - Scales below the half range: d is rounded to a subnormal half or to zero, the codes stay.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, |d| >= 65520 is
///   ``CodecError/scaleOverflow(block:)``.
/// - With importance: the weights are importance · √(2 · mean square of the block + x²).
///
/// Source: ggml's `quantize_iq4_nl` (not `quantize_row_iq4_nl_ref`, which searches less),
/// `dequantize_row_iq4_nl`.
public struct IQ4_NL: GridCodec {
    static let type = GGMLType.iq4_nl
    static let grid = GridShape(partSize: 32, levels: .nonLinear)

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let scale = NonLinearTable.scale(x, weights: NonLinearTable.weights(x, importance))
        let inverse = LegacyBlocks.inverse(scale)
        return pack(.init(scale: Half.f16(scale)), x.map { NonLinearTable.nearest(inverse * $0) })
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        bytes(parameters.scale) + LegacyBlocks.nibbles(codes)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { .init(scale: block.word(at: 0)) }

    static func codes(of block: [UInt8]) -> [Int] { LegacyBlocks.codes(block, at: 2) }
}
