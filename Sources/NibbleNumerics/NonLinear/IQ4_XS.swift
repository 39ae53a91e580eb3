/// Super-blocks of 8 × 32 values with 6-bit scales: 4-bit codes of unevenly spaced levels, 4.25 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 2 | upper two bits of scales s: bits 2 j and 2 j + 1, low byte first, belong to sub-block j |
/// | 4 | 4 | low four bits of s: byte j holds sub-blocks 2 j (low half) and 2 j + 1 |
/// | 8 | 128 | codes q: byte 16 j + l holds element 32 j + l (low four bits) and element 32 j + 16 + l |
///
/// Decoding: x = (d (s - 32)) K[q], K as in ``IQ4_NL``, every operation rounded.
///
/// Encoding: the scale of each sub-block by the search of ``IQ4_NL``; d = the scale of largest magnitude / -32, s = 32 +
/// clamp(nearest(scale / d), -32, 31), ties to even. Codes are those of the levels nearest to x / (d (s - 32)), before d
/// is rounded to half. Ties go to the upper level.
///
/// - All |x| < 1e-15: d is -0, every s is 32 and all codes are 8; bytes `00 80 AA AA 00 00 00 00 88 … 88`.
/// - Scales below the half range: d is rounded to a subnormal half or to zero, the codes stay.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, |d| >= 65520 is
///   ``CodecError/scaleOverflow(block:)``.
/// - With importance: the weights are importance · √(2 · mean square of the super-block + x²).
///
/// Source: ggml's `quantize_iq4_xs`, `dequantize_row_iq4_xs`.
public struct IQ4_XS: GridCodec {
    static let type = GGMLType.iq4_xs
    static let grid = GridShape(partSize: 32, levels: .nonLinear, scales: .multiples(-32...31))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let weights = NonLinearTable.weights(x, importance)
        let parts = stride(from: 0, to: 256, by: 32).map { $0..<$0 + 32 }
        let scales = parts.map { NonLinearTable.scale(Array(x[$0]), weights: Array(weights[$0])) }
        let d = -LegacyBlocks.extreme(scales) / 32
        let inverse = LegacyBlocks.inverse(d)
        let scaleCodes = scales.map { max(-32, min(31, nearestInteger(inverse * $0))) }
        let codes = zip(parts, scaleCodes).flatMap { part, code in
            let inverse = LegacyBlocks.inverse(d * Float(code))
            return x[part].map { NonLinearTable.nearest(inverse * $0) }
        }
        return pack(.init(scale: Half.f16(d), scaleCodes: scaleCodes), codes)
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        let stored = parameters.scaleCodes.map { UInt8($0 + 32) }
        let upper = (0..<8).reduce(UInt16(0)) { $0 | UInt16(stored[$1] >> 4) << (2 * $1) }
        let low = (0..<4).map { stored[2 * $0] & 0x0F | stored[2 * $0 + 1] << 4 }
        let nibbles = stride(from: 0, to: 256, by: 32).flatMap {
            LegacyBlocks.nibbles(Array(codes[$0..<$0 + 32]))
        }
        return bytes(parameters.scale) + bytes(upper) + low + nibbles
    }

    static func parameters(of block: [UInt8]) -> BlockParameters {
        let upper = block.word(at: 2)
        return .init(
            scale: block.word(at: 0),
            scaleCodes: (0..<8).map { part in
                let low = block[4 + part / 2] >> (part % 2 * 4) & 0x0F
                return Int(UInt16(low) | (upper >> (2 * part) & 3) << 4) - 32
            })
    }

    static func codes(of block: [UInt8]) -> [Int] {
        (0..<8).flatMap { LegacyBlocks.codes(block, at: 8 + 16 * $0) }
    }
}
