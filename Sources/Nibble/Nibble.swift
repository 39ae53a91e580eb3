/// Everything of Nibble that a program may use, in one import.
///
/// ```swift
/// import Nibble
///
/// let model = try ModelCheckpoint(path: "gemma-3-270m")
/// var request = ConversionRequest(
///     input: "gemma-3-270m", output: "gemma.q4_0.gguf", exporter: CheckpointExporters.gguf,
///     plan: QuantizationPlan(.q4_0), threads: 2)
/// try Converter(request).run()
/// ```
@_exported public import NibbleCalibration
@_exported public import NibbleCheckpoint
@_exported public import NibbleEvaluation
@_exported public import NibbleModel
@_exported public import NibbleNumerics
@_exported public import NibbleQuantization
@_exported public import NibbleTensor
@_exported public import NibbleTokenizer
@_exported public import NibbleTraining

/// The version of Nibble.
public enum NibbleVersion {
    /// Semantic version, as tagged.
    public static let current = "0.2.0"
}
