public import NibbleNumerics

/// Whether quantized blocks survive a hub folder: decoded, stored as F32, F16 or BF16, and encoded again by
/// the converter's plain encoding.
///
/// ```swift
/// let counts = try Reencoding(of: .q4_0, storedAs: .bf16).counts(bytes)
/// print("\(counts.changed) of \(counts.blocks) blocks would change")
/// ```
public struct Reencoding {
    /// The type of the blocks.
    public let type: GGMLType
    /// How their values are stored in between.
    public let storedType: GGMLType
    private let codec: any Codec
    private let storedCodec: any Codec

    /// What became of a block.
    enum Outcome {
        case identical
        case sameValues
        case scalesMoved
        case codesMoved

        /// Whether the block decodes to the values that it had.
        var keepsValues: Bool { self == .identical || self == .sameValues }
    }

    /// Prepares for blocks of `type`, a type that Nibble writes, stored as F32, F16 or BF16 in between.
    public init(of type: GGMLType, storedAs storedType: GGMLType) {
        precondition([.f32, .f16, .bf16].contains(storedType), "\(storedType) is not F32, F16 or BF16")
        guard let codec = type.codec, codec.canEncode, let storedCodec = storedType.codec else {
            preconditionFailure("\(type) cannot be encoded")
        }
        self.type = type
        self.storedType = storedType
        self.codec = codec
        self.storedCodec = storedCodec
    }

    /// Counts what becomes of `bytes`, whole blocks.
    ///
    /// - Throws: ``CodecError`` where a block decodes to NaN or infinity, or to values beyond the range of the
    ///   stored type.
    public func counts(_ bytes: UnsafeRawBufferPointer) throws(CodecError) -> ReencodingCounts {
        var counts = ReencodingCounts()
        for outcome in try outcomes(bytes) { counts.count(outcome) }
        return counts
    }

    /// What becomes of each block of `bytes`, whole blocks.
    func outcomes(_ bytes: UnsafeRawBufferPointer) throws(CodecError) -> [Outcome] {
        let blocks = bytes.count / type.blockBytes
        precondition(
            blocks * type.blockBytes == bytes.count, "\(bytes.count) bytes are no whole \(type) blocks")
        let count = blocks * type.blockSize
        guard count > 0, let storedSize = storedType.byteCount(elements: count) else { return [] }
        let values = Self.decode(codec, RawSpan(_unsafeBytes: bytes), count)
        var stored = [UInt8](repeating: 0, count: storedSize)
        try Self.encode(storedCodec, values, &stored)
        var encoded = [UInt8](repeating: 0, count: bytes.count)
        do throws(CodecError) {
            try Self.encode(codec, Self.decode(storedCodec, stored.span.bytes, count), &encoded)
        } catch {
            // A scale that overflows leaves a block that differs, and is counted as one.
            guard case .scaleOverflow = error else { throw error }
        }
        let again = Self.decode(codec, encoded.span.bytes, count)
        return (0..<blocks).map { block in
            let start = block * type.blockBytes
            let different = (0..<type.blockBytes).filter { bytes[start + $0] != encoded[start + $0] }
            if different.isEmpty { return .identical }
            let elements = block * type.blockSize..<(block + 1) * type.blockSize
            if elements.allSatisfy({ values[$0] == again[$0] }) { return .sameValues }
            return different.allSatisfy(type.scaleBytes.contains) ? .scalesMoved : .codesMoved
        }
    }

    private static func decode(_ codec: any Codec, _ bytes: RawSpan, _ count: Int) -> [Float] {
        var values = [Float](repeating: 0, count: count)
        var span = values.mutableSpan
        codec.decode(bytes, columns: count, into: &span)
        return values
    }

    private static func encode(
        _ codec: any Codec, _ values: [Float], _ bytes: inout [UInt8]
    ) throws(CodecError) {
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try codec.encode(values.span, columns: values.count, into: &raw)
    }
}

extension GGMLType {
    /// Where a block's scales and minimums stand, codes left out.
    var scaleBytes: Range<Int> {
        switch self {
        case .q4_0, .q5_0, .q8_0, .iq4_nl: 0..<2
        case .q4_1, .q5_1: 0..<4
        case .q4_k, .q5_k: 0..<16
        case .q6_k: 192..<210
        default: 0..<0
        }
    }
}
