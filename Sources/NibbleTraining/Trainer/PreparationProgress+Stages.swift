public import NibbleCalibration

extension PreparationProgress.Stage {
    /// The probabilities of the teacher are computed.
    public static let cachingTeacher = Self("caching the teacher", unit: "tokens")
}
