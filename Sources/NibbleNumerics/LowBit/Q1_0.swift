/// Blocks of 128 values of -d and d: 1.125 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 16 | signs, 8 values a byte, low bits first: 1 is plus |
///
/// Source: ggml's `dequantize_row_q1_0`.
public struct Q1_0: ReadOnlyCodec {
    static let type = GGMLType.q1_0

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let d = block.half(at: 0)
        return (0..<128).map { index in
            let bit = block[2 + index / 8] >> (index % 8) & 1
            return bit == 1 ? d : -d
        }
    }
}
