internal import NibbleCheckpoint
internal import NibbleEvaluation
internal import NibbleModel
internal import NibbleTensor

/// What the unquantized model, the one rounded to nearest and the calibrated one make of text that none was calibrated on,
/// from the residual streams that go along behind their last blocks.
struct HeldOutMeasurement {
    /// The unquantized model.
    let reference: LanguageModel
    /// The model with the vocabulary's matrices rounded to nearest.
    let rounded: LanguageModel
    /// The same as they were calibrated.
    let calibrated: LanguageModel
    /// The held-out sequences.
    let sequences: [[Int32]]
    /// Their residual streams after the last block of the unquantized, the rounded and the calibrated model.
    let streams: (_ model: State, _ sequences: Range<Int>) throws(CheckpointError) -> Tensor

    /// A state of the weights.
    enum State: CaseIterable { case source, rounded, calibrated }

    /// - Throws: `CheckpointError` where a logit is NaN or infinite.
    func run() throws(CheckpointError) -> CalibrationScores {
        let all = try evaluate(State.allCases)
        let pair = try evaluate([.rounded, .calibrated])
        let (rounded, calibrated) = (all.divergence(model: 1), all.divergence(model: 2))
        return CalibrationScores(
            source: rounded.perplexities.basePerplexity, rounded: rounded.perplexities.perplexity,
            calibrated: calibrated.perplexities.perplexity, roundedDivergence: rounded.meanDivergence,
            calibratedDivergence: calibrated.meanDivergence,
            difference: pair.divergence(model: 1).perplexities.difference, tokens: rounded.count)
    }

    /// The first of the models is the base of divergences.
    private func evaluate(_ states: [State]) throws(CheckpointError) -> Evaluation {
        try Evaluator(
            states.map { state in
                switch state {
                case .source: reference
                case .rounded: rounded
                case .calibrated: calibrated
                }
            }, sequences: sequences,
            name: "held-out text",
            streams: { model, chunks throws(CheckpointError) in try streams(states[model], chunks) }
        ).run()
    }
}
