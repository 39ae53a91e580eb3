internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

extension Trainer {
    /// Trains to the last step of the recipe, or until held-out text gets no better.
    ///
    /// - Parameters:
    ///   - progress: called after every step and evaluation.
    ///   - isCancelled: asked after every step; the state is saved then.
    /// - Throws: `TrainingError` (`diverged`) where the loss is no number or runs away: what was saved before stays;
    ///   `CheckpointError` where a file cannot be written.
    public func run(
        progress: (TrainingProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> TrainingSummary {
        let records = try RunRecords(folder, state: state)
        try records.log("nibble \(request.version), \(teacher.compute.summary), from step \(state.step)")
        for note in notes { try records.log(note) }
        let gradients = Gradients(compute: student.compute)
        var meter = SpeedMeter()
        var losses: [Double] = []
        if state.step == 0, state.start == nil, heldOut != nil {
            state.start = try evaluate(records)
            state.heldOut = state.start
        }
        var ending = TrainingSummary.Ending.finished
        while state.step < recipe.train.steps, !state.stoppedEarly {
            let began = ContinuousClock.now
            let figures = try step(gradients)
            meter.add(tokens: figures.tokens, since: began)
            losses.append(figures.loss)
            let remaining = meter.time(tokens: figures.tokens * (recipe.train.steps - state.step))
            let now = TrainingProgress(
                step: state.step, totalSteps: recipe.train.steps, loss: figures.loss,
                divergence: figures.divergence, learningRate: Double(figures.learningRate),
                gradientNorm: figures.gradientNorm, tokensPerSecond: meter.recent, remaining: remaining,
                heldOut: state.heldOut)
            try records.append(now, elapsed: meter.elapsed)
            progress(now)
            let isLast = state.step == recipe.train.steps
            if isDue(recipe.evaluation.every) || isLast, heldOut != nil {
                try judge(try evaluate(records))
                var evaluated = now
                evaluated.heldOut = state.heldOut
                progress(evaluated)
            }
            let stops = isCancelled()
            if isDue(recipe.checkpoints.every) || isLast || state.stoppedEarly || stops || isBest {
                try save(records)
            }
            if stops, !isLast {
                ending = .interrupted
                break
            }
        }
        if state.stoppedEarly { ending = .stoppedEarly }
        try records.log("\(ending.rawValue) at step \(state.step)")
        return TrainingSummary(
            step: state.step, ending: ending, start: state.start, final: state.heldOut,
            tokensPerSecond: meter.mean, peakResidentBytes: ProcessMemory.peakResidentBytes, losses: losses)
    }

    private func isDue(_ interval: Int) -> Bool { interval > 0 && state.step.isMultiple(of: interval) }

    /// Whether the last evaluation was the best, and of this step.
    private var isBest: Bool { state.best?.step == state.step && state.step > 0 }

    private func save(_ records: RunRecords) throws(CheckpointError) {
        try state.save(student, to: folder)
        if isBest, let best = state.best { try folder.markBest(step: best.step, value: best.divergence) }
        try records.log("saved step \(state.step)")
    }

    // MARK: - A step

    /// What a step came to.
    private struct Figures {
        var tokens: Int
        var loss: Double
        var divergence: Double
        var learningRate: Float
        var gradientNorm: Double
    }

    private func step(_ gradients: Gradients) throws -> Figures {
        let sequences = batches.indices(step: state.step)
        gradients.reset()
        let isQuantized = state.step >= recipe.quantization.startStep
        let pass = DistillationPass(
            teacher: teacher, student: isQuantized ? student.quantized : student.unquantized,
            loss: DistillationLoss(recipe.loss), recomputes: recomputes)
        let size = max(1, Self.tokensAtATime / recipe.train.sequenceLength)
        var (loss, divergence) = (0.0, 0.0)
        for start in stride(from: 0, to: sequences.count, by: size) {
            let part = Array(sequences[start..<min(start + size, sequences.count)])
            let share = Double(part.count) / Double(sequences.count)
            let cached = try cachedTeacher?.probabilities(sequences: part)
            let result: DistillationLoss.Result
            do throws(ModelError) {
                result = try pass.run(
                    part.map(batches.text.sequence), cached: cached, weight: Float(share), into: gradients)
            } catch {
                throw TrainingError(
                    .diverged, "step \(state.step + 1)", "\(error)",
                    advice: "lower optimizer.learning_rate and resume from the last checkpoint")
            }
            loss += share * result.loss
            divergence += share * result.divergence
        }
        let norm = gradients.sumOfSquares(student.parameters).squareRoot()
        try checkConvergence(loss, norm)
        let rate = try update(gradients, norm: norm)
        state.step += 1
        return Figures(
            tokens: sequences.count * recipe.train.sequenceLength, loss: loss, divergence: divergence,
            learningRate: rate, gradientNorm: norm)
    }

    /// One optimizer step; returns the learning rate of matrices.
    private func update(_ gradients: Gradients, norm: Double) throws(CheckpointError) -> Float {
        let optimizer = recipe.optimizer
        let factor = recipe.schedule.factor(step: state.step, of: recipe.train.steps)
        // As PyTorch's clip_grad_norm_.
        let scale = optimizer.clipNorm.map { min(1, $0 / (Float(norm) + 1e-6)) } ?? 1
        var step = AdamWStep(
            rate: optimizer.learningRate * factor, beta1: optimizer.beta1, beta2: optimizer.beta2,
            epsilon: optimizer.epsilon, decay: optimizer.weightDecay, gradientScale: scale,
            step: state.step + 1)
        let matrices = step
        step.rate = (optimizer.normLearningRate ?? optimizer.learningRate) * factor
        step.decay = 0
        try student.update(gradients, matrices: matrices, vectors: step)
        return matrices.rate
    }

    /// Times that the running loss may grow beyond its first values.
    private static let divergenceFactor = 4.0
    /// Steps over which the loss is averaged.
    private static let window = 20.0

    private func checkConvergence(_ loss: Double, _ norm: Double) throws(TrainingError) {
        let advice = "lower optimizer.learning_rate and resume from the last checkpoint"
        guard loss.isFinite, norm.isFinite else {
            throw TrainingError(
                .diverged, "step \(state.step + 1)", "the loss is \(loss), the norm of the gradients \(norm)",
                advice: advice)
        }
        let isYoung = Double(state.step) < Self.window
        let weight = isYoung ? 1 / Double(state.step + 1) : 1 / Self.window
        state.runningLoss += (loss - state.runningLoss) * weight
        if isYoung { state.firstLoss = state.runningLoss }
        guard state.runningLoss <= Self.divergenceFactor * state.firstLoss else {
            throw TrainingError(
                .diverged, "step \(state.step + 1)",
                "the mean loss rose from \(state.firstLoss) to \(state.runningLoss)", advice: advice)
        }
    }

    // MARK: - Evaluation

    private func evaluate(_ records: RunRecords) throws -> HeldOutScore? {
        guard let heldOut else { return nil }
        let isQuantized = state.step >= recipe.quantization.startStep || state.step == 0
        let score = try heldOut.score(
            isQuantized ? student.quantized : student.unquantized, teacher: teacher, step: state.step)
        try records.append(score)
        return score
    }

    /// Remembers an evaluation, and decides whether training goes on.
    private func judge(_ score: HeldOutScore?) throws {
        guard let score else { return }
        state.heldOut = score
        if score.divergence < state.best?.divergence ?? .infinity {
            state.best = score
            state.evaluationsSinceBest = 0
        } else {
            state.evaluationsSinceBest += 1
        }
        if let patience = recipe.evaluation.patience, state.evaluationsSinceBest >= patience {
            state.stoppedEarly = true
        }
    }
}

extension DistillationLoss {
    init(_ loss: Recipe.Loss) {
        self.init()
        temperature = loss.temperature
        crossEntropy = loss.crossEntropy
        reverse = loss.reverse
        tokenClip = loss.tokenClip
        hidden = loss.hidden
    }
}
