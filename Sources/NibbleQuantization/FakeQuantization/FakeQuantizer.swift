public import NibbleNumerics

/// Fake quantization of a matrix: its rounding while it is trained is the exporter's, to the bit, because the encoded
/// blocks themselves are what the model computes with.
///
/// ```swift
/// let quantizer = FakeQuantizer(.ggml(.q4_0), columns: 640)
/// try quantizer.encode(weights.span, into: &blocks)       // what is computed with, and what is exported
/// ```
public struct FakeQuantizer: Sendable {
    /// How rows are stored.
    public let format: WeightFormat
    /// The arithmetic of ``format``.
    public let codec: any Codec
    /// Elements of a row.
    public let columns: Int
    /// Bytes of an encoded row.
    public let rowBytes: Int
    /// The blocks whose scales are learned; nil where they are recomputed.
    public let scaledBlocks: ScaledBlocks?
    /// Beyond what values are clipped, where that stops their gradient.
    private let range: RepresentableRange?

    /// - Precondition: the format encodes rows of `columns`; it is one of `ScaledBlocks.types` where scales are learned.
    public init(_ format: WeightFormat, columns: Int, config: FakeQuantizeConfig = .init()) {
        guard let codec = format.codec, codec.canEncode, let rowBytes = codec.byteCount(columns: columns)
        else {
            preconditionFailure("\(format) does not encode rows of \(columns)")
        }
        self.format = format
        self.codec = codec
        self.columns = columns
        self.rowBytes = rowBytes
        scaledBlocks = config.scales == .learned ? format.scaledBlocks : nil
        precondition(
            config.scales == .recomputed || scaledBlocks != nil,
            "scales of \(format) cannot be learned, those of \(ScaledBlocks.types) can")
        range =
            config.gradient == .masked && config.scales == .recomputed
            ? format.ggmlType.flatMap(RepresentableRange.init) : nil
    }

    /// Scales of a row; 0 where they are recomputed.
    public var scalesPerRow: Int { scaledBlocks == nil ? 0 : columns / ScaledBlocks.blockSize }

    /// Encodes whole rows with scales chosen from the values.
    ///
    /// - Throws: `CodecError` where a value is NaN or infinite, or a scale exceeds its storage.
    public func encode(
        _ rows: Span<Float>, into blocks: inout MutableRawSpan, level: KernelLevel = .best
    ) throws(CodecError) {
        try codec.encode(rows, columns: columns, importance: nil, into: &blocks, level: level)
    }

    /// Stops the gradient of values that were clipped, where the configuration says so.
    ///
    /// - Parameters:
    ///   - gradient: that of whole rows, of which those of clipped values become 0.
    ///   - rows: the values.
    ///   - blocks: what they were encoded to.
    public func maskGradient(
        _ gradient: inout MutableSpan<Float>, of rows: Span<Float>, blocks: RawSpan,
        level: KernelLevel = .best
    ) {
        range?.mask(&gradient, of: rows, blocks: blocks, columns: columns, level: level)
    }
}
