internal import NibbleCheckpoint
public import NibbleModel
public import NibbleQuantization

extension ImportanceMatrix {
    /// Measures the mean square of every input of every matrix of the blocks, as llama-imatrix does.
    ///
    /// - Parameter sequences: of equal length, which pass through the model two at a time.
    /// - Throws: `ModelError` where a token is beyond the vocabulary.
    public init(measuring model: LanguageModel, sequences: [[Int32]]) throws(ModelError) {
        var squares = InputSquares()
        for first in stride(from: 0, to: sequences.count, by: 2) {
            try squares.add(Array(sequences[first..<min(first + 2, sequences.count)]), through: model)
        }
        self.init(
            path: model.path, weights: squares.means(in: model.configuration.architecture),
            chunkCount: sequences.count, chunkSize: sequences.first?.count)
    }
}
