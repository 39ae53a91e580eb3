/// Blocks of 64 values of -d, 0, d and 2 d: 2.25 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 16 | codes q, 4 values a byte, low bits first |
///
/// Decoding: x = (q - 1) d.
///
/// Source: ggml's `dequantize_row_q2_0`.
public struct Q2_0: ReadOnlyCodec {
    static let type = GGMLType.q2_0

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<64).map { index in
            let code = block[2 + index / 4] >> (index % 4 * 2) & 3
            return Float(Int(code) - 1) * d
        }
    }
}
