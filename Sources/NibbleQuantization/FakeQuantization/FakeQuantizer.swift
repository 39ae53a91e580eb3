public import NibbleNumerics

/// How weights are rounded while they are trained.
public struct FakeQuantizeConfig: Sendable, Equatable {
    /// Where the scale of a block comes from.
    public enum Scales: String, CaseIterable, Sendable {
        /// Chosen anew from the weights each time, as the codec does.
        case recomputed
        /// A parameter that is trained along (LSQ, Esser et al. 2020), and written to the file as learned.
        case learned
    }

    /// What the straight-through estimator does where a value was clipped.
    public enum Gradient: String, CaseIterable, Sendable {
        /// The gradient passes everywhere (Bengio et al. 2013; Google's Gemma 3 QAT).
        case identity
        /// It stops where rounding moved the value by more than half a step, because the largest code was reached.
        case masked
    }

    /// Where scales come from.
    public var scales: Scales = .recomputed
    /// The gradient of clipped values.
    public var gradient: Gradient = .identity

    /// Recomputed scales, gradient everywhere.
    public init() {}
}

/// Fake quantization of a matrix: its rounding while it is trained is the exporter's, to the bit, because the encoded
/// blocks themselves are what the model computes with.
///
/// ```swift
/// let quantizer = FakeQuantizer(codec: Q4_0(), columns: 640)
/// try quantizer.encode(weights.span, into: &blocks)       // what is computed with, and what is exported
/// ```
public struct FakeQuantizer: Sendable {
    /// The block format.
    public let codec: any Codec
    /// Elements of a row.
    public let columns: Int
    /// How weights are rounded.
    public let config: FakeQuantizeConfig
    /// Bytes of an encoded row.
    public let rowBytes: Int

    /// - Precondition: the codec encodes rows of `columns`.
    public init(codec: any Codec, columns: Int, config: FakeQuantizeConfig = .init()) {
        guard codec.canEncode, let rowBytes = codec.byteCount(columns: columns) else {
            preconditionFailure("\(codec.name) does not encode rows of \(columns)")
        }
        self.codec = codec
        self.columns = columns
        self.config = config
        self.rowBytes = rowBytes
    }

    /// Encodes whole rows with scales chosen from the values.
    ///
    /// - Throws: `CodecError` where a value is NaN or infinite, or a scale exceeds its storage.
    public func encode(
        _ rows: Span<Float>, into blocks: inout MutableRawSpan, level: KernelLevel = .current
    ) throws(CodecError) {
        try codec.encode(rows, columns: columns, importance: nil, into: &blocks, level: level)
    }
}
