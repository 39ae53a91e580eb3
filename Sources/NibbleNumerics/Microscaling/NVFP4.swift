/// Blocks of 4 × 16 four-bit floats with scales of E4M3: 4.5 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 4 | scales of E4M3, without sign; 0x7F stands for 0 |
/// | 4 | 32 | codes of E2M1: byte 8 j + l holds element 16 j + l (low four bits) and element 16 j + 8 + l |
///
/// The scale of a whole tensor, which files of other formats have, is a tensor of its own.
///
/// Source: ggml's `dequantize_row_nvfp4`.
public struct NVFP4: ReadOnlyCodec {
    static let type = GGMLType.nvfp4

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        (0..<4).flatMap { part in
            let (exponent, mantissa) = (Int(block[part] >> 3 & 0x0F), Float(block[part] & 7))
            var scale: Float
            if exponent == 0 {
                scale = Float(sign: .plus, exponent: -10, significand: mantissa)
            } else {
                scale = Float(sign: .plus, exponent: exponent - 8, significand: 1 + mantissa / 8)
            }
            if block[part] == 0x7F { scale = 0 }
            return E2M1.values(block[4 + 8 * part..<12 + 8 * part], half: scale)
        }
    }
}
