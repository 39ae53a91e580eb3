/// Super-blocks of 8 × 32 values with 6-bit scales and minima: 5-bit codes, 5.5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 2 | dmin, half |
/// | 4 | 12 | scales s and minima m, as in ``Q4_K`` |
/// | 16 | 32 | fifth bits: bit j of byte l belongs to element 32 j + l |
/// | 48 | 128 | low four bits of q: byte 32 k + l holds element 64 k + l (low half) and element 64 k + 32 + l |
///
/// Decoding: x = (d s) q - (dmin m), every operation rounded.
///
/// Encoding: as ``Q4_K`` with codes 0 ... 31 and a search over 17 candidates.
///
/// - All values zero: 176 zero bytes. Sub-blocks of stored scale 0 keep the codes that the search found.
/// - Scales below the half range: d or dmin is a subnormal half or zero; the codes fit what is stored.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, d or dmin beyond half
///   (65520 and more) is ``CodecError/scaleOverflow(block:)``.
/// - With importance: as ``Q4_K``.
///
/// Source: ggml's `quantize_row_q5_K_ref`, `quantize_row_q5_K_impl`, `dequantize_row_q5_K`.
public struct Q5_K: GridCodec {
    static let type = GGMLType.q5_k
    static let grid = GridShape(
        partSize: 32, levels: .integers(0...31), scales: .multiples(0...63), minima: .multiples(0...63))

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let search = SuperBlocks.sixBitSearch(
            limit: 31, plainGrid: AffineGrid(start: -0.5, step: 0.1, steps: 15))
        var found = SuperBlocks.affine(x, importance, search)
        // ggml clamps here and not in Q4_K; it matters for the low bits of negative codes only.
        found.scaleCodes = found.scaleCodes.map { min(63, $0) }
        found.minimumCodes = found.minimumCodes.map { min(63, $0) }
        return SuperBlocks.encode(x, found, as: Self.self)
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        let fifthBits = (0..<32).map { l in
            (0..<8).reduce(UInt8(0)) { $0 | (codes[32 * $1 + l] >> 4) << $1 }
        }
        return SuperBlocks.header(parameters) + fifthBits + SuperBlocks.nibbles(codes)
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { SuperBlocks.parameters(block) }

    static func codes(of block: [UInt8]) -> [Int] {
        (0..<256).map { index in
            SuperBlocks.nibble(block, at: 48, index) | Int(block[16 + index % 32] >> (index / 32) & 1) << 4
        }
    }
}
