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
public struct IQ4_NL: KernelCodec {
    static let type = GGMLType.iq4_nl

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let scale = scale(x, importance)
        let inverse = LegacyBlocks.inverse(scale)
        let codes = x.map { NonLinearTable.nearest(inverse * $0) }
        return bytes(Half.f16(scale)) + LegacyBlocks.nibbles(codes)
    }

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let scale = block.half(at: 0)
        return LegacyBlocks.codes(block, at: 2).map { scale * NonLinearTable.levels[$0] }
    }

    private static func scale(_ x: [Float], _ importance: BlockImportance?) -> Float {
        let extreme = LegacyBlocks.extreme(x)
        guard extreme.magnitude >= allZero else { return 0 }
        let variance = x.reduce(0) { $0 + $1 * $1 } * (2 / 32)
        func weight(_ index: Int) -> Float {
            let square = x[index] * x[index]
            return importance.map { $0.weights[index] * (variance + square).squareRoot() } ?? square
        }
        func sums(_ inverse: Float) -> (qx: Float, q2: Float) {
            var (sumQX, sumQ2): (Float, Float) = (0, 0)
            for (index, value) in x.enumerated() {
                let q = NonLinearTable.levels[Int(NonLinearTable.nearest(inverse * value))]
                sumQX += weight(index) * q * value
                sumQ2 += weight(index) * q * q
            }
            return (sumQX, sumQ2)
        }
        let lowest = NonLinearTable.levels[0]
        let first = sums(1 / (-extreme / lowest))
        var scale = first.q2 > 0 ? first.qx / first.q2 : 0
        var best = scale * first.qx
        for shift in -7...7 {
            let (qx, q2) = sums((Float(shift) + lowest) / extreme)
            if q2 > 0 && qx * qx > best * q2 {
                scale = qx / q2
                best = scale * qx
            }
        }
        return scale
    }
}
