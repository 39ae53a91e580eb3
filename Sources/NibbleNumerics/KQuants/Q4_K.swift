/// Super-blocks of 8 × 32 values with 6-bit scales and minima: 4-bit codes, 4.5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 2 | dmin, half |
/// | 4 | 12 | scales s and minima m of sub-blocks j, elements 32 j ..< 32 j + 32: j < 4 in the low six bits of bytes j and 4 + j; j >= 4 with low four bits in byte 4 + j (s low, m high) and upper two in bits 6-7 of bytes j - 4 and j |
/// | 16 | 128 | codes q: byte 32 k + l holds element 64 k + l (low four bits) and element 64 k + 32 + l |
///
/// Decoding: x = (d s) q - (dmin m), every operation rounded.
///
/// Encoding: scale and minimum of each sub-block by a search over 22 candidates for the smallest Σ w error²,
/// w = √(mean square of the sub-block) + |x| (`make_qkx2_quants`); d = largest scale / 63, dmin = largest
/// minimum / 63, s and m rounded to nearest, ties to even; then q = clamp(nearest((x + dmin m) / (d s)), 0, 15)
/// with the stored d and dmin, ties to even.
///
/// - All values zero: 144 zero bytes. Sub-blocks of stored scale 0 keep the codes that the search found.
/// - Scales below the half range: d or dmin is a subnormal half or zero; the codes fit what is stored.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, d or dmin beyond half
///   (65520 and more) is ``CodecError/scaleOverflow(block:)``.
/// - With importance: w = importance · √(2 · mean square of the super-block + x²), 38 candidates
///   (`make_qkx3_quants`), and d, dmin, s, m come from a weighted search (`make_qp_quants`).
///
/// Source: ggml's `quantize_row_q4_K_ref`, `quantize_row_q4_K_impl`, `dequantize_row_q4_K`.
public struct Q4_K: GridCodec {
    static let type = GGMLType.q4_k
    static let grid = GridShape(
        partSize: 32, levels: .integers(0...15), scales: .multiples(0...63), minima: .multiples(0...63))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let search = SuperBlocks.sixBitSearch(
            limit: 15, plainGrid: AffineGrid(start: -1, step: 0.1, steps: 20))
        return SuperBlocks.encode(x, SuperBlocks.affine(x, importance, search), as: Self.self)
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        SuperBlocks.header(parameters) + SuperBlocks.nibbles(codes)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { SuperBlocks.parameters(block) }

    static func codes(of block: [UInt8]) -> [Int] {
        (0..<256).map { SuperBlocks.nibble(block, at: 16, $0) }
    }
}
