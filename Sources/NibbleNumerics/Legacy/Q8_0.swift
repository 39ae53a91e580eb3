/// Blocks of 32 values with a scale: 8-bit codes, 8.5 bits a weight.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 2 | d, half |
/// | 2 | 32 | codes q, signed bytes in order |
///
/// Decoding: x = d q.
///
/// Encoding: d = max |x| / 127, q = x / d rounded to nearest, ties away from zero, with the reciprocal of d in
/// Float before d is rounded to half; -127 ... 127.
///
/// - All values zero: 34 zero bytes.
/// - Scales below the half range: d is rounded to a subnormal half or to zero, the codes stay.
/// - NaN and infinities are ``CodecError/nonFiniteValue(index:value:)``, |x| >= 8321040 is
///   ``CodecError/scaleOverflow(block:)``.
/// - Importance changes nothing.
///
/// Source: ggml's `quantize_row_q8_0_ref`, `dequantize_row_q8_0`.
public struct Q8_0: KernelCodec {
    static let type = GGMLType.q8_0

    /// The codec.
    public init() {}

    /// False: llama.cpp ignores the importance matrix here.
    public var usesImportance: Bool { false }

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let scale = LegacyBlocks.extreme(x).magnitude / 127
        let inverse = LegacyBlocks.inverse(scale)
        let codes = x.map { truncatedByte(($0 * inverse).rounded(.toNearestOrAwayFromZero)) }
        return bytes(Half.f16(scale)) + codes
    }

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        let scale = block.half(at: 0)
        return block[2...].map { Float(Int8(bitPattern: $0)) * scale }
    }
}
