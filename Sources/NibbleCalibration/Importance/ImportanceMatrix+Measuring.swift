internal import NibbleCheckpoint
public import NibbleModel
public import NibbleQuantization
internal import NibbleTensor

extension ImportanceMatrix {
    /// Measures the mean square of every input of every matrix of the blocks, as llama-imatrix does.
    ///
    /// - Parameters:
    ///   - sequences: of equal length, which pass through the model two at a time.
    ///   - continues: asked after each two, with the sequences done; what it ends is the mean of these.
    /// - Throws: `ModelError` where a token is beyond the vocabulary.
    public init(
        measuring model: LanguageModel, sequences: [[Int32]],
        continues: (_ done: Int) -> Bool = { _ in true }
    ) throws(ModelError) {
        var sums: [[Sublayer.InputGroup: [Double]]] = Array(
            repeating: [:], count: model.configuration.layerCount)
        let length = sequences.first?.count ?? 0
        var done = 0
        while done < sequences.count {
            let batch = Array(sequences[done..<min(done + 2, sequences.count)])
            _ = try model.residual(
                batch,
                observe: { group, layer, x in
                    model.compute.addSquares(
                        of: x,
                        to: &sums[layer][group, default: [Double](repeating: 0, count: x.features)])
                })
            done += batch.count
            guard continues(done) else { break }
        }
        var weights: [String: [Float]] = [:]
        for (layer, groups) in sums.enumerated() {
            for (group, sum) in groups {
                let means = sum.map { Float($0 / Double(max(done * length, 1))) }
                for kind in group.kinds {
                    let role = TensorRole(kind, layer: layer)
                    guard let name = NamingScheme.gguf.name(of: role, in: model.configuration.architecture)
                    else { continue }
                    weights[name] = means
                }
            }
        }
        self.init(
            path: model.path, weights: weights, chunkCount: done, chunkSize: sequences.isEmpty ? nil : length)
    }
}
