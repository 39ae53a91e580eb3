/// Super-blocks of 16 × 16 values with 4-bit scales: groups of 8 of a codebook of 1,024, 2.5625 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 32 | low eight bits of the codes of groups |
/// | 34 | 32 | signs of groups |
/// | 66 | 8 | upper two bits of the codes, four groups a byte, low bits first |
/// | 74 | 8 | scales s: byte j holds values 32 j ..< 32 j + 16 (low half) and those behind |
///
/// Decoding: x = ± (d (s + 1/2) / 4) g, g of the codebook, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq2_s`.
public struct IQ2_S: ReadOnlyCodec {
    static let type = GGMLType.iq2_s

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<32).flatMap { group in
            let high = Int(block[66 + group / 4]) >> (group % 4 * 2) & 3
            let step = d * (0.5 + Float(block[74 + group / 4] >> (group % 4 / 2 * 4) & 0x0F)) * 0.25
            return Codebook.signed(
                Codebook.iq2_s.values(Int(block[2 + group]) | high << 8), step, Int(block[34 + group]))
        }
    }
}
