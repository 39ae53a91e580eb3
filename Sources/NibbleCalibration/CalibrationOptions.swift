/// How codes and scales are chosen from data, without training.
public struct CalibrationOptions: Sendable, Equatable {
    /// How weights are rounded.
    public enum Method: String, CaseIterable, Sendable {
        /// As with ``gptq`` where scales are learned from the first training step on, else as with ``nearest``.
        case automatic = "auto"
        /// GPTQ, then coordinate descent; with gradients of tokens also YAQA.
        case gptq
        /// Each weight to the nearest code.
        case nearest
    }

    /// Which scales blocks get.
    public enum Scales: String, CaseIterable, Sendable {
        /// Those that weigh the error of each column by the mean square of its input, as an importance matrix does.
        case importance
        /// Those that the codec chooses.
        case codec
    }

    /// How tokens weigh in Hessians.
    public enum TokenWeights: String, CaseIterable, Sendable {
        /// By the size of the loss' gradient by the outputs of each matrix (GuidedQuant).
        case gradient
        /// All the same.
        case equal
    }

    /// How weights are rounded.
    public var method = Method.automatic
    /// Which scales blocks get.
    public var scales = Scales.importance
    /// How tokens weigh in Hessians, with ``Method/gptq``.
    public var tokenWeights = TokenWeights.gradient
    /// The share of GPTAQ's correction for what was lost before a matrix, 0 to 1, with ``Method/gptq``.
    public var gptaq: Float = 0.5
    /// Whether errors are fed back from output to output (YAQA), with ``Method/gptq`` and tokens that weigh by gradients.
    public var yaqa = true
    /// Whether codes and scales take turns after ``Method/gptq`` (coordinate descent).
    public var coordinateDescent = true
    /// Sequences of the calibration text.
    public var sequences = 256

    /// The defaults.
    public init() {}
}
