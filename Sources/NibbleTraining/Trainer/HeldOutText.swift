internal import NibbleCheckpoint
internal import NibbleEvaluation
internal import NibbleModel
internal import NibbleTokenizer

/// Sequences that are not trained on, and what a student makes of them.
struct HeldOutText: Sendable {
    let sequences: [[Int32]]
    /// Digest of the sequences.
    let digest: String

    init(_ sequences: [[Int32]]) {
        self.sequences = sequences
        digest = TokenSequences.digest(of: sequences)
    }

    /// Perplexity and divergence of the second half of every sequence.
    ///
    /// - Throws: `CheckpointError` where a model gives NaN or infinity.
    func score(
        _ student: LanguageModel, teacher: LanguageModel, step: Int
    ) throws(CheckpointError) -> HeldOutScore {
        let found = try Evaluator([teacher, student], sequences: sequences, name: "held-out text").run()
        let own = found.pooled(model: 1)
        return HeldOutScore(
            step: step, perplexity: own.perplexity, perplexityError: own.perplexityError,
            teacherPerplexity: found.pooled(model: 0).perplexity,
            divergence: found.divergence(model: 1).meanDivergence.value)
    }
}
