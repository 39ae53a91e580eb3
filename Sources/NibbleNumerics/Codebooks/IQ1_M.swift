/// Super-blocks of 16 × 16 values with 3-bit scales: groups of 8 of a codebook of 2,048, 1.75 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 32 | low eight bits of the codes of groups |
/// | 32 | 16 | half a byte for each group: upper three bits of its code, then whether its values are lowered |
/// | 48 | 8 | four words: s of four times 16 values in three bits each, low bits first, then four bits of d |
///
/// d is the half of the four words' upper bits, the first word's lowest. Decoding: x = (d (2 s + 1)) (g ± 1/8), g of the
/// codebook, minus where values are lowered, every operation rounded.
///
/// Source: ggml's `dequantize_row_iq1_m`.
public struct IQ1_M: ReadOnlyCodec {
    static let type = GGMLType.iq1_m

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let words = (0..<4).map { block.word(at: 48 + 2 * $0) }
        let bits = (0..<4).reduce(UInt16(0)) { $0 | (words[$1] >> 12) << (4 * $1) }
        let d = Half.float(f16: bits)
        return (0..<32).flatMap { group in
            let high = Int(block[32 + group / 2]) >> (group % 2 * 4) & 0x0F
            let scale = words[group / 8] >> (group % 8 / 2 * 3) & 7
            let step = d * Float(2 * scale + 1)
            let delta: Float = high >> 3 == 1 ? -0.125 : 0.125
            return Codebook.iq1.values(Int(block[group]) | (high & 7) << 8).map { step * ($0 + delta) }
        }
    }
}
