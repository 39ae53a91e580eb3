/// Super-blocks of 16 × 16 values with 4-bit scales and minima: 2-bit codes, 2.625 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 16 | byte j: scale s (low four bits) and minimum m of sub-block j, elements 16 j ..< 16 j + 16 |
/// | 16 | 64 | codes q: byte 32 h + l holds elements 128 h + l + 0, 32, 64, 96, low bits first |
/// | 80 | 2 | d, half |
/// | 82 | 2 | dmin, half |
///
/// Decoding: x = (d s) q - (dmin m), every operation rounded.
///
/// Source: ggml's `dequantize_row_q2_K`.
public struct Q2_K: ReadOnlyCodec {
    static let type = GGMLType.q2_k

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let (d, dmin) = (block.half(at: 80), block.half(at: 82))
        return (0..<256).map { index in
            let parameters = block[index / 16]
            let code = block[16 + index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3
            return d * Float(parameters & 0x0F) * Float(code) - dmin * Float(parameters >> 4)
        }
    }
}
