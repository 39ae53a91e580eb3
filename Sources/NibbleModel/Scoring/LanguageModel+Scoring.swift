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
        let pass = try ScoringPass([self], sequences: sequences, positions: positions)
        return pass.scores(try pass.sums(targets: targets))[0]
    }

    func vocabularyHead(_ states: Tensor) -> VocabularyHead {
        VocabularyHead(
            states, weight: head, softcap: finalLogitSoftcap, compute: compute)
    }

    /// Throws where the forward pass of `sequences` first gives a value that is not finite.
    package func findNonFinite(_ sequences: [[Int32]]) throws(ModelError) {
        let (count, path) = (configuration.layerCount, path)
        _ = try residual(sequences) { (layer, stream) throws(ModelError) in
            if !stream.isFinite { throw .nonFinite(layer: layer, layerCount: count, path: path) }
        }
    }

    /// That logits are not finite although the residual stream is.
    package var nonFiniteHead: ModelError {
        .nonFinite(layer: configuration.layerCount, layerCount: configuration.layerCount, path: path)
    }

    /// All logits behind one position of a text; for tests and exploration.
    public func logits(of tokens: [Int32], position: Int) throws(ModelError) -> [Float] {
        vocabularyHead(finalStates(try residual([tokens]), positions: position..<position + 1)).allLogits()[0]
    }
}
