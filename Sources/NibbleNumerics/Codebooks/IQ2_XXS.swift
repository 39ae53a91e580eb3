/// Super-blocks of 8 × 32 values with 4-bit scales: groups of 8 of a codebook of 256, 2.0625 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 64 | for each 32 values four codes of groups, then a word: 7 signs of each group from the lowest bit on, s on top |
///
/// Decoding: x = ± (d (s + 1/2) / 4) g, g of the codebook, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq2_xxs`.
public struct IQ2_XXS: ReadOnlyCodec {
    static let type = GGMLType.iq2_xxs

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<8).flatMap { part in
            let start = 2 + 8 * part
            let rest = block.doubleWord(at: start + 4)
            let step = d * (0.5 + Float(rest >> 28)) * 0.25
            return (0..<4).flatMap { group in
                Codebook.signed(
                    Codebook.iq2_xxs.values(Int(block[start + group])), step,
                    Codebook.eightSigns(rest >> (7 * group) & 127))
            }
        }
    }
}
