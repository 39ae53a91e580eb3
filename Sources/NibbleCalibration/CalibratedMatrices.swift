package import NibbleCheckpoint
package import NibbleQuantization

/// What a calibration made of a quantized model: the encoded matrices, and how each came about.
package struct CalibratedMatrices {
    /// What was done to each matrix.
    package let result: CalibrationResult
    /// What held-out text says of them; nil where none was held out.
    package let scores: CalibrationScores?
    private let rows: EncodedRowsFile
    private let digests: [String: String]

    init(
        _ records: [CalibrationRecord], variant: Int, outside: [CalibrationResult.Matrix],
        rows: EncodedRowsFile, tokens: Int
    ) {
        var result = CalibrationResult()
        result.tokens = tokens
        var digests: [String: String] = [:]
        for record in records {
            for (index, matrix, digest) in record.sublayer?.matrices ?? [] where index == variant {
                result.matrices.append(matrix)
                digests[matrix.name] = digest
            }
        }
        result.matrices += outside
        self.result = result
        scores = records.last { !$0.scores.isEmpty }?.scores[variant]
        self.rows = rows
        self.digests = digests
    }

    /// The encoded rows of a matrix as they lie in the scratch file, which is mapped as long as the other is held; nil where
    /// calibration had none to choose.
    ///
    /// - Throws: `CheckpointError` where the scratch file cannot be read, or was changed.
    package func rows(
        of tensor: PlannedTensor
    ) throws(CheckpointError) -> (bytes: UnsafeRawBufferPointer, file: MappedFile)? {
        guard let digest = digests[tensor.name] else { return nil }
        return try rows.read(tensor, digest: digest)
    }
}
