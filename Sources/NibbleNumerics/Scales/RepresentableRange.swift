/// Between which values the codes of a block can lie, and which values lie beyond: those that were clipped when they
/// were encoded.
///
/// A value is *clipped* where it lies more than half a step beyond the smallest or largest value that any code of its
/// block, or of its sub-block in the K types, decodes to. The step is the distance of the two outermost values on that
/// side. Both come from the encoded block, by decoding it with all codes at one end: so this is true of every format,
/// however its scales were chosen. It says nothing of how a value was rounded within the range.
///
/// Where values clip, with scales that the codec chooses: Q4_0 and Q5_0 (the extreme's opposite, which would need code
/// 16 or 32), the K types and IQ4_XS (scales of sub-blocks have 4 to 8 bits), IQ4_NL (its scale is searched). Q4_1, Q5_1
/// and Q8_0 span all values of a block; there only the rounding of scale and minimum to halves can leave any out.
///
/// Types whose values are numbers have no codes, and a block whose scale was rounded to 0 has no step: there nothing is
/// clipped.
public struct RepresentableRange: Sendable, Hashable {
    /// The type of the blocks.
    public let type: GGMLType
    /// Bytes of a block that hold codes, and nothing else.
    private let codes: Range<Int>
    /// What these bytes are where all codes are the first, or the last.
    private let first: UInt8, last: UInt8
    /// Half of the first and of the last step, as shares of the whole range.
    private let firstMargin: Float, lastMargin: Float

    /// Nil where `type` has no codes, or is not written.
    public init?(_ type: GGMLType) {
        guard let codes = type.codeBytes else { return nil }
        (self.type, self.codes) = (type, codes)
        (first, last) = type == .q8_0 ? (0x81, 0x7F) : (0x00, 0xFF)
        let steps: Float
        switch type {
        case .q2_k: steps = 3
        case .q3_k: steps = 7
        case .q5_0, .q5_1, .q5_k: steps = 31
        case .q6_k: steps = 63
        case .q8_0: steps = 254
        case .iq4_nl, .iq4_xs:
            // -127, -104, ..., 89, 113.
            (firstMargin, lastMargin) = (11.5 / 240, 12.0 / 240)
            return
        default: steps = 15
        }
        (firstMargin, lastMargin) = (0.5 / steps, 0.5 / steps)
    }

    /// Sets gradients of clipped values to zero.
    ///
    /// - Parameters:
    ///   - gradient: that of the values.
    ///   - values: whole rows.
    ///   - blocks: what the values were encoded to.
    ///   - columns: elements of a row.
    ///   - level: the instruction level; every level gives the same bits.
    /// - Complexity: two decodings, in memory for two rows.
    public func mask(
        _ gradient: inout MutableSpan<Float>, of values: Span<Float>, blocks: RawSpan, columns: Int,
        level: KernelLevel = .best
    ) {
        guard let codec = type.codec else { preconditionFailure("\(type) has no codec") }
        codec.checkDecoding(blocks, columns, values.count)
        precondition(
            gradient.count == values.count, "\(gradient.count) gradients of \(values.count) values")
        guard !values.isEmpty else { return }
        let rowBytes = blocks.byteCount / (values.count / columns)
        var ends = [UInt8](repeating: 0, count: rowBytes)
        var (atFirst, atLast) = (
            [Float](repeating: 0, count: columns), [Float](repeating: 0, count: columns)
        )
        for row in 0..<values.count / columns {
            let encoded = blocks.extracting(row * rowBytes..<(row + 1) * rowBytes)
            for index in 0..<rowBytes {
                ends[index] = unsafe encoded.unsafeLoad(fromByteOffset: index, as: UInt8.self)
            }
            decode(&ends, codes: first, columns: columns, into: &atFirst, codec, level)
            decode(&ends, codes: last, columns: columns, into: &atLast, codec, level)
            mask(&gradient, of: values, from: row * columns, atFirst.span, atLast.span)
        }
    }

    /// Decodes a row after all of its codes were set to one.
    private func decode(
        _ row: inout [UInt8], codes byte: UInt8, columns: Int, into values: inout [Float], _ codec: any Codec,
        _ level: KernelLevel
    ) {
        var bytes = row.mutableSpan
        for block in stride(from: 0, to: bytes.count, by: type.blockBytes) {
            for index in codes { bytes[block + index] = byte }
        }
        var span = values.mutableSpan
        codec.decode(bytes.span.bytes, columns: columns, into: &span, level: level)
    }

    private func mask(
        _ gradient: inout MutableSpan<Float>, of values: Span<Float>, from start: Int,
        _ atFirst: Span<Float>, _ atLast: Span<Float>
    ) {
        for column in atFirst.indices {
            let (a, b) = (atFirst[column], atLast[column])
            let width = b - a
            // Beyond its ends by more than the margins; a negative scale has the last code lowest.
            let (low, high) = (a - width * firstMargin, b + width * lastMargin)
            let value = values[start + column]
            let isClipped = width > 0 ? value < low || value > high : value > low || value < high
            if isClipped && width != 0 { gradient[start + column] = 0 }
        }
    }
}

extension GGMLType {
    /// Bytes of a block that hold codes, and nothing else; all others hold scales and minima. Nil where the type has no
    /// codes, or is not written.
    package var codeBytes: Range<Int>? {
        switch self {
        case .q4_0, .q5_0, .q8_0, .iq4_nl: 2..<blockBytes
        case .q4_1, .q5_1: 4..<blockBytes
        case .q2_k: 16..<80
        case .q3_k: 0..<96
        case .q4_k, .q5_k: 16..<blockBytes
        case .q6_k: 0..<192
        case .iq4_xs: 8..<blockBytes
        default: nil
        }
    }
}
