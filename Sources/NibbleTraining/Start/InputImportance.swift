public import NibbleCheckpoint
public import NibbleModel
internal import NibbleTensor

/// The mean square of what flows into each column of each matrix of the blocks, over some text: how much an error of
/// the column's weights matters. What llama-imatrix measures.
public struct InputImportance: Sendable {
    /// By what the matrix is for; of matrices outside of blocks nothing is known.
    public let weights: [TensorRole: [Float]]

    /// Passes `sequences` of equal length through `model`, two at a time.
    ///
    /// - Throws: `ModelError` where a token is beyond the vocabulary.
    public init(_ model: LanguageModel, sequences: [[Int32]]) throws(ModelError) {
        var sums: [TensorRole: [Double]] = [:]
        var count = 0
        for start in stride(from: 0, to: sequences.count, by: 2) {
            let batch = Array(sequences[start..<min(start + 2, sequences.count)])
            _ = try model.residual(
                batch,
                observe: { kind, layer, x in
                    let role = TensorRole(kind, layer: layer)
                    model.compute.addSquares(
                        of: x, to: &sums[role, default: [Double](repeating: 0, count: x.features)])
                })
            count += batch.reduce(0) { $0 + $1.count }
        }
        weights = sums.mapValues { $0.map { Float($0 / Double(max(count, 1))) } }
    }
}
