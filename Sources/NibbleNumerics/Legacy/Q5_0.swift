/// Blocks of 32 values with a scale: 5-bit codes, 5.5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 4 | fifth bits: bit j, low byte first, belongs to element j |
/// | 6 | 16 | low four bits of q: byte j holds element j (low half) and element j + 16 |
///
/// Decoding: x = d (q - 16).
///
/// Encoding: d = max / -16 where max is the value of largest magnitude with its sign, the first of several;
/// q = min(31, ⌊x / d + 16.5⌋) with the reciprocal of d in Float before d is rounded to half: ties go up in
/// units of d. A value of the extreme's magnitude and opposite sign is clamped to 31.
///
/// - All values zero: d is -0 and all codes are 16, bytes `00 80 FF FF FF FF 00 … 00`.
/// - Scales below the half range: d is rounded to a subnormal half or to zero, the codes stay.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, |max| >= 1048320 is
///   ``CodecError/scaleOverflow(block:)``.
/// - With importance: as ``Q4_0`` with codes -16 ... 15. A block of values below 1e-15 has d 0 and codes 0.
///
/// Source: ggml's `quantize_row_q5_0_ref`, `quantize_row_q5_0_impl`, `dequantize_row_q5_0`.
public struct Q5_0: GridCodec {
    static let type = GGMLType.q5_0
    static let grid = GridShape(partSize: 32, levels: .integers(-16...15))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        if let importance {
            let weights = LegacyBlocks.weights(x, importance)
            let (scale, codes) = symmetricSearch(x, weights: weights, limit: 16)
            return pack(.init(scale: Half.f16(scale)), codes)
        }
        let scale = LegacyBlocks.extreme(x) / -16
        let inverse = LegacyBlocks.inverse(scale)
        return pack(.init(scale: Half.f16(scale)), x.map { min(31, truncatedByte($0 * inverse + 16.5)) })
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        bytes(parameters.scale) + LegacyBlocks.fifthBits(codes) + LegacyBlocks.nibbles(codes)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { .init(scale: block.word(at: 0)) }

    static func codes(of block: [UInt8]) -> [Int] { LegacyBlocks.codes(block, at: 6, fifthBitsAt: 2) }
}
