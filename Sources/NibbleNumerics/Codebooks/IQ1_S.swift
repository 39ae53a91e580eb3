/// Super-blocks of 8 × 32 values with 3-bit scales: groups of 8 of a codebook of 2,048, 1.5625 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 32 | low eight bits of the codes of groups |
/// | 34 | 16 | a word for each 32 values: upper three bits of each code, low bits first, then s in three bits, then whether the values are lowered |
///
/// Decoding: x = (d (2 s + 1)) (g ± 1/8), g of the codebook, minus where values are lowered, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq1_s`.
public struct IQ1_S: ReadOnlyCodec {
    static let type = GGMLType.iq1_s

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<32).flatMap { group in
            let high = Int(block.word(at: 34 + group / 4 * 2))
            let step = d * Float(2 * (high >> 12 & 7) + 1)
            let delta: Float = high >> 15 == 1 ? -0.125 : 0.125
            let code = Int(block[2 + group]) | (high >> (3 * (group % 4)) & 7) << 8
            return Codebook.iq1.values(code).map { step * ($0 + delta) }
        }
    }
}
