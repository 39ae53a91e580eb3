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
public struct Q8_0: GridCodec {
    static let type = GGMLType.q8_0
    /// Code -128 is decoded though never written.
    static let grid = GridShape(partSize: 32, levels: .integers(-127...127))

    /// The codec.
    public init() {}

    /// False: llama.cpp ignores the importance matrix here.
    public var usesImportance: Bool { false }

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        let scale = LegacyBlocks.extreme(x).magnitude / 127
        let inverse = LegacyBlocks.inverse(scale)
        let codes = x.map { truncatedByte(($0 * inverse).rounded(.toNearestOrAwayFromZero)) &+ 127 }
        return pack(.init(scale: Half.f16(scale)), codes)
    }

    static func pack(_ parameters: BlockParameters, _ codes: [UInt8]) -> [UInt8] {
        bytes(parameters.scale) + codes.map { $0 &- 127 }
    }

    static func parameters(of block: [UInt8]) -> BlockParameters { .init(scale: block.word(at: 0)) }

    static func codes(of block: [UInt8]) -> [Int] { block[2...].map { Int(Int8(bitPattern: $0)) + 127 } }
}
