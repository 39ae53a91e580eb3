public import NibbleNumerics

/// Whether quantized blocks survive a hub folder: decoded, stored as F32, F16 or BF16, and encoded again by
/// the converter's plain encoding.
///
/// ```swift
/// let counts = try Reencoding(of: .q4_0, storedAs: .bf16).counts(bytes)
/// print("\(counts.changed) of \(counts.blocks) blocks would change")
/// ```
public struct Reencoding {
    /// How the blocks are stored.
    public let format: WeightFormat
    /// How their values are stored in between.
    public let storedType: GGMLType
    /// Elements and bytes of a block: of a row in formats that GGUF lacks.
    let blockSize: Int
    private let blockBytes: Int
    /// Where a block's codes stand, scales and minimums left out.
    private let codeBytes: Range<Int>
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
        self.init(of: .ggml(type), columns: type.blockSize, storedAs: storedType)
    }

    /// The same for rows of `columns` elements in any format that Nibble writes; rows are counted as blocks in formats
    /// that GGUF lacks.
    public init(of format: WeightFormat, columns: Int, storedAs storedType: GGMLType) {
        precondition([.f32, .f16, .bf16].contains(storedType), "\(storedType) is not F32, F16 or BF16")
        guard let codec = format.codec, codec.canEncode, let storedCodec = storedType.codec else {
            preconditionFailure("\(format) cannot be encoded")
        }
        switch format {
        case .ggml(let type):
            (blockSize, blockBytes) = (type.blockSize, type.blockBytes)
            codeBytes = type.codeBytes ?? 0..<blockBytes
        case .int4(let group):
            (blockSize, blockBytes) = (columns, format.byteCount(columns: columns) ?? 0)
            codeBytes = min(2 * (columns / (group ?? columns)), blockBytes)..<blockBytes
        case .sfp8: (blockSize, blockBytes, codeBytes) = (columns, columns, 0..<columns)
        }
        precondition(blockBytes > 0, "\(format) has no rows of \(columns)")
        self.format = format
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
        let blocks = bytes.count / blockBytes
        precondition(
            blocks * blockBytes == bytes.count, "\(bytes.count) bytes are no whole \(format) blocks")
        let count = blocks * blockSize
        guard count > 0, let storedSize = storedType.byteCount(elements: count) else { return [] }
        let columns = format.ggmlType == nil ? blockSize : count
        let values = Self.decode(codec, RawSpan(_unsafeBytes: bytes), count, columns: columns)
        var stored = [UInt8](repeating: 0, count: storedSize)
        try Self.encode(storedCodec, values, &stored, columns: count)
        var encoded = [UInt8](repeating: 0, count: bytes.count)
        do throws(CodecError) {
            try Self.encode(
                codec, Self.decode(storedCodec, stored.span.bytes, count, columns: count), &encoded,
                columns: columns)
        } catch {
            // A scale that overflows leaves a block that differs, and is counted as one.
            guard case .scaleOverflow = error else { throw error }
        }
        let again = Self.decode(codec, encoded.span.bytes, count, columns: columns)
        return (0..<blocks).map { block in
            let start = block * blockBytes
            let different = (0..<blockBytes).filter { bytes[start + $0] != encoded[start + $0] }
            if different.isEmpty { return .identical }
            let elements = block * blockSize..<(block + 1) * blockSize
            if elements.allSatisfy({ values[$0] == again[$0] }) { return .sameValues }
            return different.contains(where: codeBytes.contains) ? .codesMoved : .scalesMoved
        }
    }

    private static func decode(
        _ codec: any Codec, _ bytes: RawSpan, _ count: Int, columns: Int
    ) -> [Float] {
        var values = [Float](repeating: 0, count: count)
        var span = values.mutableSpan
        codec.decode(bytes, columns: columns, into: &span)
        return values
    }

    private static func encode(
        _ codec: any Codec, _ values: [Float], _ bytes: inout [UInt8], columns: Int
    ) throws(CodecError) {
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try codec.encode(values.span, columns: columns, into: &raw)
    }
}
