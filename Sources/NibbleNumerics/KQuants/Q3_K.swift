/// Super-blocks of 16 × 16 values with 6-bit scales: 3-bit codes, 3.4375 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 32 | third bits: bit j of byte l belongs to element 32 j + l |
/// | 32 | 64 | low two bits of q: byte 32 h + l holds elements 128 h + l + 0, 32, 64, 96, low bits first |
/// | 96 | 12 | sixteen 6-bit scales s: low four bits of s[j] and s[j + 8] in byte j < 8; upper two bits of s[j], s[j + 4], s[j + 8], s[j + 12] in byte 8 + j, j < 4 |
/// | 108 | 2 | d, half |
///
/// Decoding: x = (d (s - 32)) (q - 4), every operation rounded.
///
/// Source: ggml's `dequantize_row_q3_K`.
public struct Q3_K: ReadOnlyCodec {
    static let type = GGMLType.q3_k

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 108)
        return (0..<256).map { index in
            let part = index / 16
            let low = part < 8 ? block[96 + part] & 0x0F : block[96 + part - 8] >> 4
            let high = block[104 + part % 4] >> (part / 4 * 2) & 3
            let code = block[32 + index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3
            let third = block[index % 32] >> (index / 32) & 1
            return d * Float(Int(low | high << 4) - 32) * Float(Int(code | third << 2) - 4)
        }
    }
}
