/// Super-blocks of 8 × 32 values with 4-bit scales: groups of 4 of a codebook of 512, 3.4375 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 64 | low eight bits of the codes of groups |
/// | 66 | 8 | their upper bit, eight groups a byte, low bits first |
/// | 74 | 32 | signs, 8 values a byte |
/// | 106 | 4 | scales s: byte j holds values 64 j ..< 64 j + 32 (low half) and those behind |
///
/// Decoding: x = ± (d (2 s + 1)) g, g of the codebook, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq3_s`.
public struct IQ3_S: ReadOnlyCodec {
    static let type = GGMLType.iq3_s

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<32).flatMap { eight in
            let scale = block[106 + eight / 8] >> (eight / 4 % 2 * 4) & 0x0F
            let values = (2 * eight..<2 * eight + 2).flatMap { group in
                let high = Int(block[66 + group / 8]) >> (group % 8) & 1
                return Codebook.iq3_s.values(Int(block[2 + group]) | high << 8)
            }
            return Codebook.signed(values, d * Float(1 + 2 * scale), Int(block[74 + eight]))
        }
    }
}
