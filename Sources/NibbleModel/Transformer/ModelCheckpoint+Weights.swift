package import NibbleCheckpoint

extension ModelCheckpoint {
    /// Rows of a matrix that count: those beyond the vocabulary are padding.
    package func rowCount(of role: TensorRole, _ entry: TensorEntry) -> Int {
        role.isVocabulary ? configuration.vocabularySize : entry.rows
    }

    /// The values of a norm or bias as the model computes with them.
    ///
    /// - Throws: `CheckpointError` where a value is NaN or infinite.
    package func vector(_ role: TensorRole, _ entry: TensorEntry) throws(CheckpointError) -> [Float] {
        let values = try entry.floats()
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw CheckpointError(
                .invalidValue, path: entry.file.path, subject: "tensor '\(entry.name)', element \(index)",
                values[index].isNaN ? "is NaN" : "is infinite",
                advice: "the checkpoint is damaged or was trained to divergence")
        }
        let offset = source.scheme.convention(of: role, in: configuration).offset
        return offset == 0 ? values : values.map { $0 + offset }
    }
}
