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
        guard let codec = type.gridCodec else { return nil }
        self.type = type
        (codes, first, last) = codec.codeBytes
        let levels = codec.grid.levels
        let (count, width) = (levels.count, levels.bounds.highest - levels.bounds.lowest)
        firstMargin = (levels.level(1) - levels.level(0)) / 2 / width
        lastMargin = (levels.level(count - 1) - levels.level(count - 2)) / 2 / width
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
    package var codeBytes: Range<Int>? { gridCodec?.codeBytes.range }
}

extension GridCodec {
    /// Bytes of a block that hold codes, and nothing else; and what each of them is where all codes are the first, or the
    /// last.
    static var codeBytes: (range: Range<Int>, first: UInt8, last: UInt8) {
        let zeros = [Int](repeating: 0, count: type.blockSize / grid.partSize)
        func block(of code: Int) -> [UInt8] {
            pack(
                .init(scale: 0, scaleCodes: zeros, minimumCodes: zeros),
                [UInt8](repeating: UInt8(code), count: type.blockSize))
        }
        let (first, last) = (block(of: 0), block(of: grid.levels.count - 1))
        let changed = first.indices.filter { first[$0] != last[$0] }
        guard let start = changed.first, let end = changed.last, changed.count == end - start + 1,
            changed.allSatisfy({ first[$0] == first[start] && last[$0] == last[start] })
        else { preconditionFailure("codes of \(type) are not bytes one after the other") }
        return (start..<end + 1, first[start], last[start])
    }
}
