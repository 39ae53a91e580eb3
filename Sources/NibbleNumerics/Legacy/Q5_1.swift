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
public struct Q5_1: GridCodec {
    static let type = GGMLType.q5_1
    static let grid = GridShape(partSize: 32, levels: .integers(0...31), minima: .portable)

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        if let importance {
            let weights = LegacyBlocks.weights(x, importance)
            let (scale, minimum, codes) = affineSearch(
                x, weights: weights, limit: 31, grid: .weighted)
            return pack(.init(scale: Half.f16(scale), minimum: Half.f16(minimum)), codes)
        }
        let (minimum, maximum) = LegacyBlocks.range(x)
        let scale = (maximum - minimum) / 31
        let inverse = LegacyBlocks.inverse(scale)
        return pack(
            .init(scale: Half.f16(scale), minimum: Half.f16(-minimum)),
            x.map { truncatedByte(($0 - minimum) * inverse + 0.5) })
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        LegacyBlocks.header(parameters) + LegacyBlocks.fifthBits(codes) + LegacyBlocks.nibbles(codes)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { LegacyBlocks.parameters(block) }

    static func codes(of block: [UInt8]) -> [Int] { LegacyBlocks.codes(block, at: 8, fifthBitsAt: 4) }
}
