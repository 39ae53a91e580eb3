/// Blocks of 256 values with a scale, 2-bit codes: 2.0625 bits a weight. Made for values of -d, 0 and d. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 64 | codes q: byte 32 h + l holds elements 128 h + l + 0, 32, 64, 96, low bits first |
/// | 64 | 2 | d, half |
///
/// Decoding: x = (q - 1) d.
///
/// Source: ggml's `dequantize_row_tq2_0`.
public struct TQ2_0: ReadOnlyCodec {
    static let type = GGMLType.tq2_0

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 64)
        return (0..<256).map { index in
            let code = block[index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3
            return Float(Int(code) - 1) * d
        }
    }
}
