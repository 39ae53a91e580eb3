/// Super-blocks of 16 × 16 values with 4-bit scales and minima: 2-bit codes, 2.625 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 16 | byte j: scale s (low four bits) and minimum m of sub-block j, elements 16 j ..< 16 j + 16 |
/// | 16 | 64 | codes q: byte 32 h + l holds elements 128 h + l + 0, 32, 64, 96, low bits first |
/// | 80 | 2 | d, half |
/// | 82 | 2 | dmin, half |
///
/// Decoding: x = (d s) q - (dmin m), every operation rounded.
///
/// Encoding: scale and minimum of each sub-block by a search over 17 candidates for the smallest Σ |x| |error|
/// (`make_qkx2_quants`); d = largest scale / 15, dmin = largest minimum / 15, s and m rounded to nearest, ties to
/// even; then q = clamp(nearest((x + dmin m) / (d s)), 0, 3) with the stored d and dmin, ties to even.
///
/// - All values zero: 84 zero bytes. Sub-blocks of stored scale 0 keep the codes that the search found.
/// - Scales below the half range: d or dmin is a subnormal half or zero; the codes fit what is stored.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, d or dmin beyond half
///   (65520 and more) is ``CodecError/scaleOverflow(block:)``.
/// - With importance: squared errors of weight importance · √(mean square of the super-block + x²), 38 candidates
///   (`make_qkx3_quants`), and d, dmin, s, m come from a weighted search (`make_qp_quants`).
///
/// Source: ggml's `quantize_row_q2_K_ref`, `quantize_row_q2_K_impl`, `dequantize_row_q2_K`.
public struct Q2_K: GridCodec {
    static let type = GGMLType.q2_k
    static let grid = GridShape(
        partSize: 16, levels: .integers(0...3), scales: .multiples(0...15), minima: .multiples(0...15))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        // Codes of scales and minima are not cut here: the bits of a negative one are those of ggml.
        let search = SuperBlocks.AffineSearch(
            size: 16, limit: 3, parameterLimit: 15, cut: .max,
            plainGrid: AffineGrid(start: -0.5, step: 0.1, steps: 15),
            plainWeights: { $0.map(\.magnitude) }, countsMagnitudes: true, variances: 1)
        return SuperBlocks.encode(x, SuperBlocks.affine(x, importance, search), as: Self.self)
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        let stored = zip(parameters.scaleCodes, parameters.minimumCodes).map {
            UInt8(truncatingIfNeeded: $0 | $1 << 4)
        }
        return stored + SuperBlocks.quarters(codes) + bytes(parameters.scale) + bytes(parameters.minimum)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters {
        .init(
            scale: block.word(at: 80), minimum: block.word(at: 82),
            scaleCodes: block[..<16].map { Int($0 & 0x0F) }, minimumCodes: block[..<16].map { Int($0 >> 4) })
    }

    static func codes(of block: [UInt8]) -> [Int] { SuperBlocks.quarters(block, at: 16) }
}
