extension Codec {
    /// Encodes whole rows at ``KernelLevel/best``; see ``encode(_:columns:importance:into:level:)``.
    public func encode(
        _ rows: Span<Float>, columns: Int, importance: Span<Float>? = nil, into bytes: inout MutableRawSpan
    ) throws(CodecError) {
        try encode(rows, columns: columns, importance: importance, into: &bytes, level: .best)
    }

    /// Encodes whole rows without importance; see ``encode(_:columns:importance:into:level:)``.
    public func encode(
        _ rows: Span<Float>, columns: Int, into bytes: inout MutableRawSpan, level: KernelLevel
    ) throws(CodecError) {
        try encode(rows, columns: columns, importance: nil, into: &bytes, level: level)
    }

    /// Decodes whole rows at ``KernelLevel/best``; see ``decode(_:columns:into:level:)``.
    public func decode(_ bytes: RawSpan, columns: Int, into rows: inout MutableSpan<Float>) {
        decode(bytes, columns: columns, into: &rows, level: .best)
    }

    /// Encodes whole rows in plain Swift without importance.
    public func encodeReference(_ rows: Span<Float>, columns: Int, into bytes: inout MutableRawSpan) {
        encodeReference(rows, columns: columns, importance: nil, into: &bytes)
    }
}
