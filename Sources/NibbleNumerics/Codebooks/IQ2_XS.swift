/// Super-blocks of 16 × 16 values with 4-bit scales: groups of 8 of a codebook of 512, 2.3125 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 64 | a word for each group: its code in 9 bits, 7 signs above |
/// | 66 | 8 | scales s: byte j holds values 32 j ..< 32 j + 16 (low half) and those behind |
///
/// Decoding: x = ± (d (s + 1/2) / 4) g, g of the codebook, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq2_xs`.
public struct IQ2_XS: ReadOnlyCodec {
    static let type = GGMLType.iq2_xs

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<32).flatMap { group in
            let code = Int(block.word(at: 2 + 2 * group))
            let step = d * (0.5 + Float(block[66 + group / 4] >> (group % 4 / 2 * 4) & 0x0F)) * 0.25
            return Codebook.signed(
                Codebook.iq2_xs.values(code & 511), step, Codebook.eightSigns(code >> 9))
        }
    }
}
