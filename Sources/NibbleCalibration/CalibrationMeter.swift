internal import NibbleCheckpoint
internal import NibbleModel

/// Tells how far a calibration is, and ends it where that is asked for.
final class CalibrationMeter {
    private let report: (PreparationProgress) -> Void
    private let isCancelled: () -> Bool
    private let path: String
    /// Of the calibration text.
    private let tokens: Int
    private let layers: Int
    /// Rows of the vocabulary's matrices that are rounded.
    private let rows: Int
    private let steps: [CalibrationStep]
    /// What each step takes, as shares of the whole.
    private let shares: [Double]
    /// The step that is worked on.
    private var index = 0
    /// How much of it is done, as a share.
    private var part = 0.0
    /// The error of the residual streams behind the last sublayer.
    private var error: Double?
    private var start: (time: ContinuousClock.Instant, done: Double)?

    /// - Parameters:
    ///   - seconds: what each step takes, right but for a factor.
    ///   - rows: of the vocabulary's matrices that are rounded.
    ///   - tokens: of the calibration text.
    init(
        _ steps: [CalibrationStep], seconds: (CalibrationStep) -> Double, layers: Int, rows: Int, tokens: Int,
        path: String, report: @escaping (PreparationProgress) -> Void, isCancelled: @escaping () -> Bool
    ) {
        self.report = report
        self.isCancelled = isCancelled
        self.path = path
        self.tokens = tokens
        self.layers = layers
        self.rows = rows
        self.steps = steps
        let all = steps.map(seconds)
        let total = all.reduce(0, +)
        shares = all.map { $0 / max(total, .leastNormalMagnitude) }
    }

    /// Goes to a step.
    func begin(_ index: Int) {
        self.index = index
        part = 0
    }

    /// Tells that some of the step's work is done.
    ///
    /// - Parameter part: how much, as a share of the step; what it takes as a whole need not be known.
    func advance(_ part: Double = 0) throws(CheckpointError) {
        self.part = min(1, self.part + part)
        tell()
        if isCancelled() {
            throw CheckpointError(
                .cancelled, path: path, "calibration was stopped",
                advice: "the same command goes on from the last sublayer that is done")
        }
    }

    /// Tells that a sublayer is rounded.
    func rounded(_ error: Double?) {
        self.error = error
        part = 1
        tell()
    }

    /// Share of the whole that is done.
    private var done: Double { shares[..<index].reduce(0, +) + part * shares[index] }

    private func tell() {
        let now = ContinuousClock.now
        let begun = start ?? (now, done)
        start = begun
        let gained = done - begun.done
        let remaining = gained > 0 ? begun.time.duration(to: now) * ((1 - done) / gained) : nil
        var progress: PreparationProgress
        if case .round(let sublayer, let layer) = steps[index] {
            let isLast = part == 1 && sublayer == Sublayer.allCases.last
            progress = .init(stage: .roundingWeights, done: layer + (isLast ? 1 : 0), total: layers)
        } else if case .survey(let layer) = steps[index] {
            progress = .init(stage: .surveyingTypes, done: layer + (part == 1 ? 1 : 0), total: layers)
        } else if steps[index] == .surveyVocabulary {
            progress = .init(stage: .surveyingTypes, done: layers, total: layers)
        } else if steps[index] == .roundVocabulary {
            progress = .init(stage: .roundingVocabulary, done: Int(part * Double(rows)), total: rows)
        } else if steps[index] == .measure {
            progress = .init(stage: .measuring, done: 0, total: 1)
        } else {
            // Up to where streams begin anew, for rounding.
            let end =
                steps.firstIndex { step in
                    if case .survey = step { return true }
                    return step == .roundVocabulary || step == .embed
                } ?? steps.count
            let share = done / max(shares[..<end].reduce(0, +), .leastNormalMagnitude)
            progress = .init(
                stage: .weighingTokens, done: min(tokens, Int(share * Double(tokens))), total: tokens)
        }
        progress.remaining = remaining
        progress.error = error
        report(progress)
    }
}
