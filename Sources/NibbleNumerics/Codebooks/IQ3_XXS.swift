/// Super-blocks of 8 × 32 values with 4-bit scales: groups of 4 of a codebook of 256, 3.0625 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 64 | codes of groups |
/// | 66 | 32 | a word for each 32 values: 7 signs of each 8 from the lowest bit on, s on top |
///
/// Decoding: x = ± (d (s + 1/2) / 2) g, g of the codebook, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq3_xxs`.
public struct IQ3_XXS: ReadOnlyCodec {
    static let type = GGMLType.iq3_xxs

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<32).flatMap { eight in
            let rest = block.doubleWord(at: 66 + eight / 4 * 4)
            let step = d * (0.5 + Float(rest >> 28)) * 0.5
            let values = (0..<2).flatMap { Codebook.iq3_xxs.values(Int(block[2 + 2 * eight + $0])) }
            return Codebook.signed(values, step, Codebook.eightSigns(rest >> (eight % 4 * 7) & 127))
        }
    }
}
