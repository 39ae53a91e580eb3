/// What a calibrated conversion will take, from shapes and a measurement of some seconds.
public struct CalibrationEstimate: Sendable, Equatable {
    /// Most memory that is held at a time, without mapped files, in bytes.
    public var memoryBytes: Int
    /// Bytes of the scratch files.
    public var scratchBytes: Int
    /// Bytes that are free where these go; nil where that cannot be told.
    public var freeBytes: Int?
    /// Time on this machine, what an earlier process has done not counted.
    public var seconds: Double
    /// Where memory makes steps of the method do with less, which and how: `feedForwardGate: yaqa in 4 bands of rows`.
    public var restrictions: [String]
    /// Whether the residual streams of all sequences are in scratch files while matrices are rounded, rather than in
    /// memory.
    public var streamsInFiles: Bool
}
