/// Super-blocks of 8 × 32 values with 6-bit scales: 4-bit codes of unevenly spaced levels, 4.25 bits a weight.
/// Decoding only.
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
/// Source: ggml's `dequantize_row_iq4_xs`.
public struct IQ4_XS: ReadOnlyCodec {
    static let type = GGMLType.iq4_xs

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let (d, upper) = (block.half(at: 0), block.word(at: 2))
        return (0..<8).flatMap { part in
            let low = block[4 + part / 2] >> (part % 2 * 4) & 0x0F
            let scale = d * Float(Int(UInt16(low) | (upper >> (2 * part) & 3) << 4) - 32)
            return LegacyBlocks.codes(block, at: 8 + 16 * part).map { scale * NonLinearTable.levels[$0] }
        }
    }
}
