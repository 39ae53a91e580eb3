public import NibbleCalibration

extension PreparationProgress.Stage {
    /// The teacher writes training text.
    public static let writingText = Self("writing text", unit: "tokens")
    /// The probabilities of the teacher are computed.
    public static let cachingTeacher = Self("caching the teacher", unit: "tokens")
}
