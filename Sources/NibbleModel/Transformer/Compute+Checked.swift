public import NibbleCheckpoint
public import NibbleNumerics
public import NibbleTensor

extension Compute {
    /// A context in a precision that the user chose.
    ///
    /// - Throws: ``CheckpointError`` where the machine does not have it.
    public static func checked(
        threads: Int, precision: Precision, level: KernelLevel = .best, path: String
    ) throws(CheckpointError) -> Compute {
        guard precision.isSupported else {
            throw CheckpointError(
                .unsupported, path: path,
                "precision \(precision.rawValue) needs AVX-512 BF16, which this processor lacks",
                advice: "choose auto or f32")
        }
        return Compute(threads: threads, precision: precision, level: level)
    }
}
