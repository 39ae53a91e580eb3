/// Super-blocks of 16 × 16 values with 6-bit scales: 3-bit codes, 3.4375 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 32 | third bits: bit j of byte l belongs to element 32 j + l |
/// | 32 | 64 | low two bits of q: byte 32 h + l holds elements 128 h + l + 0, 32, 64, 96, low bits first |
/// | 96 | 12 | sixteen 6-bit scales s: low four bits of s[j] and s[j + 8] in byte j < 8; upper two bits of s[j], s[j + 4], s[j + 8], s[j + 12] in byte 8 + j, j < 4 |
/// | 108 | 2 | d, half |
///
/// Decoding: x = (d (s - 32)) (q - 4), every operation rounded.
///
/// Encoding: the scale of each sub-block by moving single codes for the smallest Σ x² error² (`make_q3_quants`); the
/// scale of largest magnitude gets s = 0, d is the half nearest to it / -32 and the others s = 32 + min(31,
/// nearest(scale / d)), d not yet rounded, ties to even; then q = 4 + clamp(nearest(x / (d (s - 32))), -4, 3) with the
/// stored d, ties to even.
///
/// - All values zero: 110 zero bytes. Sub-blocks of stored scale 0 keep the codes that the search found.
/// - Scales below the half range: d is a subnormal half or zero; the codes fit what is stored.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, d beyond half (65520 and more) is
///   ``CodecError/scaleOverflow(block:)``.
/// - With importance: weights importance · √(2 · mean square of the super-block + x²); the scales of sub-blocks, and d
///   and s for these, come from searches over 19 candidates (`make_qx_quants`).
///
/// Source: ggml's `quantize_row_q3_K_ref`, `quantize_row_q3_K_impl`, `dequantize_row_q3_K`.
public struct Q3_K: GridCodec {
    static let type = GGMLType.q3_k
    static let grid = GridShape(partSize: 16, levels: .integers(-4...3), scales: .multiples(-32...31))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let variance = 2 * SuperBlocks.sumOfSquares(x) / 256
        var (scales, weightSums, codes): ([Float], [Float], [UInt8]) = ([], [], [])
        for start in stride(from: 0, to: 256, by: 16) {
            let part = x[start..<start + 16]
            let weights = importance?.errorWeights(part, variance: variance)
            weightSums.append(weights.map(SuperBlocks.sum) ?? 0)
            let found =
                weights.map { symmetricSearch(Array(part), weights: $0, limit: 4) }
                ?? coordinateSearch(Array(part), limit: 4)
            scales.append(found.scale)
            codes += found.codes
        }
        let (scale, stored) =
            importance == nil
            ? plainScales(scales) : symmetricSearch(scales, weights: weightSums, limit: 32)
        let parameters = BlockParameters(scale: Half.f16(scale), scaleCodes: stored.map { Int($0) - 32 })
        return pack(parameters, SuperBlocks.finalCodes(x, codes, parameters, grid))
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        let stored = parameters.scaleCodes.map { UInt8($0 + 32) }
        let thirdBits = (0..<32).map { l in
            (0..<8).reduce(UInt8(0)) { $0 | (codes[32 * $1 + l] >> 2) << $1 }
        }
        let low = (0..<8).map { stored[$0] & 0x0F | stored[$0 + 8] << 4 }
        let upper = (0..<4).map { j in
            (0..<4).reduce(UInt8(0)) { $0 | (stored[j + 4 * $1] >> 4) << (2 * $1) }
        }
        return thirdBits + SuperBlocks.quarters(codes) + low + upper + bytes(parameters.scale)
    }

    /// d and the stored scales without importance.
    private static func plainScales(_ scales: [Float]) -> (scale: Float, codes: [UInt8]) {
        let extreme = LegacyBlocks.extreme(scales)
        guard extreme != 0 else { return (0, [UInt8](repeating: 0, count: scales.count)) }
        let inverse = -32 / extreme
        return (
            1 / inverse,
            scales.map {
                let code = Int(Int8(truncatingIfNeeded: nearestInteger(inverse * $0)))
                return UInt8(max(-32, min(31, code)) + 32)
            }
        )
    }

    static func parameters(of block: [UInt8]) -> BlockParameters {
        .init(
            scale: block.word(at: 108),
            scaleCodes: (0..<16).map { part in
                let low = part < 8 ? block[96 + part] & 0x0F : block[96 + part - 8] >> 4
                let high = block[104 + part % 4] >> (part / 4 * 2) & 3
                return Int(low | high << 4) - 32
            })
    }

    static func codes(of block: [UInt8]) -> [Int] {
        SuperBlocks.quarters(block, at: 32).enumerated().map { index, code in
            code | Int(block[index % 32] >> (index / 32) & 1) << 2
        }
    }
}
