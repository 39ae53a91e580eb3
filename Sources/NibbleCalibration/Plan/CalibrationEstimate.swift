/// What a calibrated conversion will take, from shapes and a measurement of some seconds.
public struct CalibrationEstimate: Sendable, Equatable {
    /// Products, instruction level and OpenBLAS's kernels: what the bits of the result depend on beside the request.
    public var arithmetic: String
    /// Memory and scratch files.
    public var space: CalibrationSpace
    /// Bytes that are free where the scratch files go; nil where that cannot be told.
    public var freeBytes: Int?
    /// The sizes that the file can have, where types are chosen for one.
    public var sizes: SizeRange?
    /// Time on this machine, what an earlier process has done not counted.
    public var seconds: Double
}
