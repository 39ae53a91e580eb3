public import NibbleQuantization

/// What a calibrated conversion did.
public struct CalibrationSummary: Sendable {
    /// Of each output, in the order of the request.
    public var outputs: [Output]
    /// Time of this process.
    public var elapsed: Duration
    /// Most memory that was resident, mapped files included, in bytes.
    public var peakResidentBytes: Int
    /// Steps that an earlier process had done.
    public var resumedSteps: Int

    /// An output.
    public struct Output: Sendable {
        /// The conversion as it was done.
        public var converter: Converter
        /// What was written.
        public var conversion: ConversionSummary
        /// What was done to each matrix.
        public var calibration: CalibrationResult
        /// What it gained on held-out text; nil where none was held out.
        public var scores: CalibrationScores?
        /// The plan file with the types that were chosen; nil where none were.
        public var planPath: String?
    }
}
