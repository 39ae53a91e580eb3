internal import NibbleEvaluation

/// Where a run is after a step.
public struct TrainingProgress: Sendable {
    /// Steps done.
    public var step: Int
    /// Steps of the whole run.
    public var totalSteps: Int
    /// Mean loss of the step.
    public var loss: Double
    /// Mean KL(teacher || student) of the step, in nats.
    public var divergence: Double
    /// The learning rate of matrices.
    public var learningRate: Double
    /// The Euclidean norm of all gradients, before clipping.
    public var gradientNorm: Double
    /// Tokens a second over the last steps, evaluations and saves not counted.
    public var tokensPerSecond: Double
    /// Time that the rest will take at this rate.
    public var remaining: Duration
    /// The last evaluation, of the state of its own step; nil before the first.
    public var heldOut: HeldOutScore?
}

/// What a student makes of held-out text.
public struct HeldOutScore: Sendable, Equatable {
    /// Steps done when it was measured.
    public var step: Int
    /// Perplexity of the second half of every sequence, as llama.cpp counts it.
    public var perplexity: Double
    /// Its standard error.
    public var perplexityError: Double
    /// The same of the teacher.
    public var teacherPerplexity: Double
    /// Mean KL(teacher || student) of the same tokens, in nats.
    public var divergence: Double
}

/// What came of a run.
public struct TrainingSummary: Sendable {
    /// Steps done.
    public var step: Int
    /// Why training ended.
    public var ending: Ending
    /// Of weights rounded to nearest, before calibration.
    public var rounded: HeldOutScore?
    /// Of calibrated weights, before the first step; nil where nothing was calibrated.
    public var calibrated: HeldOutScore?
    /// Of the state that an export writes; nil where it was not measured.
    public var final: HeldOutScore?
    /// The one with the smallest divergence since the first step; its state is kept.
    public var best: HeldOutScore?
    /// The methods of calibration that were asked for and did not run, in words.
    public var calibrationNotes: [String]
    /// Tokens a second over all steps of this process.
    public var tokensPerSecond: Double
    /// Most memory that the process had resident until then, mapped files included.
    public var peakResidentBytes: Int
    /// Loss of every step of this process.
    public var losses: [Double]

    /// Why training ended.
    public enum Ending: String, Sendable {
        /// All steps are done.
        case finished
        /// Held-out text got no better.
        case stoppedEarly = "stopped_early"
        /// The caller stopped it; the state is saved, but for calibration, which begins anew.
        case interrupted
    }

    /// The share of the perplexity that rounding to nearest cost and the exported state wins back; nil where that was not
    /// measured, or rounding cost nothing.
    public var recovered: Double? {
        guard let rounded, let final else { return nil }
        return PairedPerplexity.recoveredShare(
            of: rounded.perplexity - rounded.teacherPerplexity,
            by: final.perplexity - final.teacherPerplexity)
    }
}
