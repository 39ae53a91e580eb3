internal import NibbleCheckpoint
internal import NibbleTensor

extension LanguageModel {
    /// Scores of the tokens `targets` that follow `positions` of every sequence.
    ///
    /// - Parameters:
    ///   - sequences: token sequences of equal length, each from position 0.
    ///   - positions: whose predictions count, the same for all sequences.
    ///   - targets: for every sequence the tokens that follow these positions in the text.
    /// - Returns: for every sequence a score for each position.
    public func scores(
        sequences: [[Int32]], positions: Range<Int>, targets: [[Int32]]
    ) throws(ModelError) -> [[TokenScore]] {
        try Self.scores([self], sequences: sequences, positions: positions, targets: targets)[0]
    }

    /// Scores of several models with one vocabulary side by side; the first is the base of all divergences.
    ///
    /// The vocabulary is walked in slices, so that memory does not grow with context times vocabulary.
    ///
    /// - Returns: for every model, every sequence a score for each position.
    public static func scores(
        _ models: [LanguageModel], sequences: [[Int32]], positions: Range<Int>, targets: [[Int32]]
    ) throws(ModelError) -> [[[TokenScore]]] {
        var heads: [VocabularyHead] = []
        for model in models {
            let states = model.finalStates(try model.residual(sequences), positions: positions)
            heads.append(model.vocabularyHead(states))
        }
        guard let sums = VocabularySums(heads, targets: targets.flatMap { $0 }, compute: models[0].compute)
        else {
            for model in models { try model.findNonFinite(sequences) }
            throw .nonFinite(
                layer: models[0].configuration.layerCount, layerCount: models[0].configuration.layerCount,
                path: models[0].path)
        }
        return models.indices.map { model in
            (0..<sequences.count).map { sequence in
                (0..<positions.count).map { sums.score(model: model, token: sequence * positions.count + $0) }
            }
        }
    }

    func vocabularyHead(_ states: Tensor) -> VocabularyHead {
        VocabularyHead(
            states, weight: head, softcap: configuration.finalLogitSoftcap.map(Float.init), compute: compute)
    }

    /// Throws where the forward pass of `sequences` first gives a value that is not finite.
    private func findNonFinite(_ sequences: [[Int32]]) throws(ModelError) {
        let (count, path) = (configuration.layerCount, path)
        _ = try residual(sequences) { (layer, stream) throws(ModelError) in
            if !stream.isFinite { throw .nonFinite(layer: layer, layerCount: count, path: path) }
        }
    }

    /// All logits behind one position of a text; for tests and exploration.
    public func logits(of tokens: [Int32], position: Int) throws(ModelError) -> [Float] {
        vocabularyHead(finalStates(try residual([tokens]), positions: position..<position + 1)).allLogits()[0]
    }
}
