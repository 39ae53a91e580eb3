internal import NibbleCheckpoint
public import NibbleModel
public import NibbleQuantization
internal import NibbleTensor

extension ImportanceMatrix {
    /// Measures the mean square of every input of every matrix of the blocks, as llama-imatrix does.
    ///
    /// - Parameter sequences: of equal length, which pass through the model two at a time.
    /// - Throws: `ModelError` where a token is beyond the vocabulary.
    public init(measuring model: LanguageModel, sequences: [[Int32]]) throws(ModelError) {
        var sums: [[Sublayer.InputGroup: [Double]]] = Array(
            repeating: [:], count: model.configuration.layerCount)
        var count = 0
        for start in stride(from: 0, to: sequences.count, by: 2) {
            let batch = Array(sequences[start..<min(start + 2, sequences.count)])
            _ = try model.residual(
                batch,
                observe: { group, layer, x in
                    model.compute.addSquares(
                        of: x,
                        to: &sums[layer][group, default: [Double](repeating: 0, count: x.features)])
                })
            count += batch.reduce(0) { $0 + $1.count }
        }
        var weights: [String: [Float]] = [:]
        for (layer, groups) in sums.enumerated() {
            for (group, sum) in groups {
                let means = sum.map { Float($0 / Double(max(count, 1))) }
                for kind in group.kinds {
                    let role = TensorRole(kind, layer: layer)
                    guard let name = NamingScheme.gguf.name(of: role, in: model.configuration.architecture)
                    else { continue }
                    weights[name] = means
                }
            }
        }
        self.init(
            path: model.path, weights: weights, chunkCount: sequences.count, chunkSize: sequences.first?.count
        )
    }
}
