import NibbleNumerics
import Testing

/// The values that the plain reference of a format makes of others, rows of `columns`.
func rounded(_ values: [Float], columns: Int, _ format: WeightFormat) throws -> [Float] {
    let codec = try #require(format.codec)
    let rowBytes = try #require(format.byteCount(columns: columns))
    var bytes = [UInt8](repeating: 0, count: values.count / columns * rowBytes)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    codec.encodeReference(values.span, columns: columns, importance: nil, into: &raw)
    var result = values
    var target = result.mutableSpan
    codec.decodeReference(bytes.span.bytes, columns: columns, into: &target)
    return result
}
