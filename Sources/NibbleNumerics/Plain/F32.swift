/// IEEE single precision, four bytes an element, low byte first.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 4 | value |
///
/// Both directions are exact: signs of zero, subnormals, and when decoding NaN and its payload, pass unchanged.
/// Encoding NaN or an infinity is an error. Importance changes nothing.
public struct F32: KernelCodec {
    static let type = GGMLType.f32

    /// The codec.
    public init() {}

    /// False: nothing is rounded.
    public var usesImportance: Bool { false }

    // MARK: - Reference

    static func encodeBlock(_ x: [Float], importance: BlockImportance?) -> [UInt8] {
        withUnsafeBytes(of: x[0].bitPattern.littleEndian) { unsafe Array($0) }
    }

    static func decodeBlock(_ block: [UInt8]) -> [Float] {
        [Float(bitPattern: UInt32(block.word(at: 0)) | UInt32(block.word(at: 2)) << 16)]
    }
}
