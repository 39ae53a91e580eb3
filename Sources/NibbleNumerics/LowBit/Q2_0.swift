/// Blocks of 64 values of -d, 0, d and 2 d: 2.25 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 16 | codes q, 4 values a byte, low bits first |
///
/// Decoding: x = (q - 1) d.
///
/// Encoding: d = the largest magnitude, q = round(x / d) + 1 with the reciprocal of d in Float before d is rounded to
/// half, ties away from zero. So 2 d is never written, and everything within half of the largest magnitude becomes zero:
/// made for models of three values. Calibration uses all four, with d of either sign.
///
/// - All values zero: d is 0 and all codes are 1, bytes `00 00 55 … 55`.
/// - Scales below the half range: d is rounded to a subnormal half or to zero, the codes stay. Where 1 / d is infinite
///   (|d| < 2.94e-39) all codes are 0.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, d beyond half (65520 and more) is
///   ``CodecError/scaleOverflow(block:)``.
///
/// Source: ggml's `quantize_row_q2_0_ref`, `dequantize_row_q2_0`.
public struct Q2_0: GridCodec {
    static let type = GGMLType.q2_0
    static let grid = GridShape(partSize: 64, levels: .integers(-1...2))

    /// The codec.
    public init() {}

    /// False: llama.cpp ignores the importance matrix here.
    public var usesImportance: Bool { false }

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let scale = LegacyBlocks.extreme(x).magnitude
        let inverse = LegacyBlocks.inverse(scale)
        let codes = x.map { value -> UInt8 in
            let level = (value * inverse).rounded(.toNearestOrAwayFromZero)
            // In C an infinity and NaN become the smallest integer.
            return level.isFinite ? UInt8(level + 1) : 0
        }
        return pack(.init(scale: Half.f16(scale)), codes)
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        let packed = (0..<16).map { byte -> UInt8 in
            (0..<4).reduce(UInt8(0)) { $0 | codes[4 * byte + $1] << (2 * $1) }
        }
        return bytes(parameters.scale) + packed
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { .init(scale: block.word(at: 0)) }

    static func codes(of block: [UInt8]) -> [Int] {
        (0..<64).map { index in
            let shift = index % 4 * 2
            return Int(block[2 + index / 4] >> shift & 3)
        }
    }
}
