/// Super-blocks of 16 × 16 values with 8-bit scales: 6-bit codes, 6.5625 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 128 | low four bits of q: byte 64 h + l holds element 128 h + l (low half) and element 128 h + 64 + l, l < 64 |
/// | 128 | 64 | upper two bits: byte 32 h + l holds elements 128 h + l + 0, 32, 64, 96, low bits first |
/// | 192 | 16 | scales s, signed bytes, of sub-blocks j, elements 16 j ..< 16 j + 16 |
/// | 208 | 2 | d, half |
///
/// Decoding: x = (d s) (q - 32), every operation rounded.
///
/// Encoding: the scale of each sub-block by a search over 19 candidates for the smallest Σ x² error²
/// (`make_qx_quants`); the scale of largest magnitude gets s = -128, d is the half nearest to it / -128 and the
/// others s = min(127, nearest(scale / d)), d not yet rounded, ties to even; then
/// q = clamp(nearest(x / (d s)), -32, 31) + 32 with the stored d, ties to even.
///
/// - All scales below 1e-15, as where all values are zero: 210 zero bytes. Sub-blocks of stored scale 0 keep
///   the codes that the search found.
/// - Scales below the half range: d is a subnormal half or zero; the codes fit what is stored.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, d beyond half (65520 and more) is
///   ``CodecError/scaleOverflow(block:)``.
/// - With importance: it takes the place of x² as the weight.
///
/// Source: ggml's `quantize_row_q6_K_ref`, `quantize_row_q6_K_impl`, `dequantize_row_q6_K`.
public struct Q6_K: GridCodec {
    static let type = GGMLType.q6_k
    static let grid = GridShape(partSize: 16, levels: .integers(-32...31), scales: .multiples(-128...127))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        var scales: [Float] = []
        var codes: [UInt8] = []
        for start in stride(from: 0, to: 256, by: 16) {
            let weights = importance.map { Array($0.weights[start..<start + 16]) }
            let found = symmetricSearch(Array(x[start..<start + 16]), weights: weights, limit: 32)
            scales.append(found.scale)
            codes += found.codes
        }
        let extreme = LegacyBlocks.extreme(scales)
        guard extreme.magnitude >= allZero else { return [UInt8](repeating: 0, count: 210) }
        let inverse = -128 / extreme
        let parameters = BlockParameters(
            scale: Half.f16(1 / inverse),
            scaleCodes: scales.map { Int(Int8(truncatingIfNeeded: min(127, nearestInteger(inverse * $0)))) })
        return pack(parameters, SuperBlocks.finalCodes(x, codes, parameters, grid))
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        let nibbles = (0..<128).map { index in
            let first = index / 64 * 128 + index % 64
            return codes[first] & 0x0F | codes[first + 64] << 4
        }
        let upper = SuperBlocks.quarters(codes.map { $0 >> 4 })
        return nibbles + upper + parameters.scaleCodes.map { UInt8(bitPattern: Int8($0)) }
            + bytes(parameters.scale)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters {
        .init(
            scale: block.word(at: 208), scaleCodes: block[192..<208].map { Int(Int8(bitPattern: $0)) })
    }

    static func codes(of block: [UInt8]) -> [Int] {
        SuperBlocks.quarters(block, at: 128).enumerated().map { index, upper in
            let byte = block[index / 128 * 64 + index % 64]
            return Int(index % 128 < 64 ? byte & 0x0F : byte >> 4) | upper << 4
        }
    }
}
