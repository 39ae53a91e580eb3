import NibbleNumerics
import Testing

/// One way to run a codec: the reference, or the kernels of a level.
enum Implementation: Sendable, Hashable, CustomTestStringConvertible {
    case reference
    case kernel(KernelLevel)

    /// The reference and the kernels of every level that this machine has.
    static let all = [.reference] + KernelLevel.available.map(Implementation.kernel)

    var testDescription: String {
        switch self {
        case .reference: "reference"
        case .kernel(let level): "\(level) kernel"
        }
    }

    func encode(
        _ codec: any Codec, _ rows: [Float], columns: Int, importance: [Float]? = nil
    ) throws(CodecError) -> [UInt8] {
        let rowCount = columns == 0 ? 0 : rows.count / columns
        guard let rowBytes = codec.byteCount(columns: columns) else {
            preconditionFailure("\(codec.name) has no rows of \(columns) columns")
        }
        // Filled, so that a byte that is not written shows.
        var bytes = [UInt8](repeating: 0xA5, count: rowCount * rowBytes)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        let weights = importance ?? []
        switch self {
        case .reference:
            codec.encodeReference(
                rows.span, columns: columns, importance: importance == nil ? nil : weights.span, into: &raw)
        case .kernel(let level):
            try codec.encode(
                rows.span, columns: columns, importance: importance == nil ? nil : weights.span, into: &raw,
                level: level)
        }
        return bytes
    }

    func decode(_ codec: any Codec, _ bytes: [UInt8], columns: Int, rows: Int = 1) -> [Float] {
        var values = [Float](repeating: .nan, count: columns * rows)
        var span = values.mutableSpan
        switch self {
        case .reference: codec.decodeReference(bytes.span.bytes, columns: columns, into: &span)
        case .kernel(let level): codec.decode(bytes.span.bytes, columns: columns, into: &span, level: level)
        }
        return values
    }
}

extension GGMLType {
    /// The types that Nibble reads.
    static let readable = allCases.filter { $0.codec != nil && $0 != .f64 }
    /// The types that Nibble writes.
    static let encodable = allCases.filter(\.isEncodable)
    /// The types that Nibble reads, with codes rather than numbers.
    static let readableQuantized = readable.filter(\.isQuantized)

    /// The codec of a type that the lists above hold.
    var testCodec: any Codec {
        get throws { try #require(codec) }
    }
}

/// Bit patterns, with every NaN the same: its sign and payload may depend on the order of operands.
func patterns(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern } }

/// The first index at which two arrays differ.
func firstDifference<T: Equatable>(_ left: [T], _ right: [T]) -> Int? {
    if left.count != right.count { return min(left.count, right.count) }
    return zip(left, right).enumerated().first { $1.0 != $1.1 }?.offset
}

/// Two hexadecimal digits a byte.
func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: " ")
}
