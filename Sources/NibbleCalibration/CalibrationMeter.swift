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
    /// What a token takes in each step before matrices are rounded, as a multiple of a pass through a block.
    private let costs: [(step: CalibrationStep, cost: Double)]
    private let total: Double
    private var step = CalibrationStep.embed
    /// What the steps before this one took.
    private var before = 0.0
    /// Tokens done in this step.
    private var done = 0

    init(
        _ steps: [CalibrationStep], in shape: ModelConfiguration, tokens: Int, path: String,
        report: @escaping (PreparationProgress) -> Void, isCancelled: @escaping () -> Bool
    ) {
        self.report = report
        self.isCancelled = isCancelled
        self.path = path
        self.tokens = tokens
        layers = shape.layerCount
        // Logits, their gradients, and the way back through the head.
        let block = Sublayer.weightCount(in: shape)
        let head = 3 * Double(shape.vocabularySize * shape.embeddingLength) / Double(block)
        costs = steps.compactMap { step in
            switch step {
            case .advance: (step, 1)
            case .differentiate: (step, head)
            // Forward again, back, and the output Hessians.
            case .retreat: (step, 3)
            case .embedNearest, .embed, .round: nil
            }
        }
        total = costs.reduce(0) { $0 + $1.cost }
    }

    /// Goes to the next step.
    func begin(_ step: CalibrationStep) {
        before += cost
        self.step = step
        done = 0
    }

    /// Counts tokens done in this step.
    func advance(_ tokens: Int = 0) throws(CheckpointError) {
        done += tokens
        if cost > 0 {
            let share = (before + cost * Double(done) / Double(max(self.tokens, 1))) / total
            report(
                .init(
                    stage: .weighingTokens, done: min(Int(share * Double(self.tokens)), self.tokens),
                    total: self.tokens))
        }
        if isCancelled() { throw stopped }
    }

    /// Tells that a sublayer is rounded.
    func rounded(_ sublayer: Sublayer, of layer: Int) {
        guard sublayer == Sublayer.allCases.last else { return }
        report(.init(stage: .roundingWeights, done: layer + 1, total: layers))
    }

    private var cost: Double { costs.first { $0.step == step }?.cost ?? 0 }

    private var stopped: CheckpointError {
        CheckpointError(
            .cancelled, path: path, "calibration was stopped",
            advice: "the same command goes on from the last sublayer that is done")
    }
}
