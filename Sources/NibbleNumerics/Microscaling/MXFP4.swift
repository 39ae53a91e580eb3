/// Blocks of 32 four-bit floats with a power of two: 4.25 bits a weight. Decoding only.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 1 | e: the scale is 2^(e - 127), and 255 no number |
/// | 1 | 16 | codes of E2M1: byte l holds element l (low four bits) and element 16 + l |
///
/// Sources: OCP Microscaling Formats (MX) Specification 1.0, sections 5.3 and 5.4; ggml's `dequantize_row_mxfp4`.
public struct MXFP4: ReadOnlyCodec {
    static let type = GGMLType.mxfp4

    /// The codec.
    public init() {}

    // MARK: - Reference

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        // Half the scale, as ggml has it: 2^-128 and 2^-127 are subnormal.
        let scale = Float(sign: .plus, exponent: Int(block[0]) - 128, significand: 1)
        return E2M1.values(block[1..<17], half: scale)
    }
}
