internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

extension Trainer {
    /// Trains to the last step of the recipe, or until held-out text gets no better.
    ///
    /// - Parameters:
    ///   - progress: called after every step and evaluation.
    ///   - preparing: called while the weights are rounded that training begins with.
    ///   - isCancelled: asked after every step; the state is saved then.
    /// - Throws: `TrainingError` (`diverged`) where the loss is no number or runs away: what was saved before stays;
    ///   `CheckpointError` where a file cannot be written.
    public func run(
        progress: (TrainingProgress) -> Void = { _ in },
        preparing: (PreparationProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> TrainingSummary {
        let records = try RunRecords(folder, resumingAt: savedStep)
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
        if savedStep == nil, try !begin(records, preparing: preparing, isCancelled: isCancelled) {
            ending = .interrupted
        }
        teacher.compute.pool.releaseIdle()
        if savedStep == nil, ending == .finished, recipe.train.steps == 0 || choosesStart {
            if recipe.train.steps == 0, heldOut != nil { state.heldOut = try evaluate(records) }
            // What weights begin with may have taken longer than many steps.
            try save(records)
        }
        while state.step < recipe.train.steps, !state.stoppedEarly, ending == .finished {
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
            step: state.step, ending: ending, start: state.start, final: state.heldOut, best: state.best,
            tokensPerSecond: meter.mean, peakResidentBytes: ProcessMemory.peakResidentBytes, losses: losses)
    }

    private func isDue(_ interval: Int) -> Bool { interval > 0 && state.step.isMultiple(of: interval) }

    /// Whether the last evaluation was the best, and of this step.
    private var isBest: Bool { state.best?.step == state.step && state.step > 0 }

    private func save(_ records: RunRecords) throws(CheckpointError) {
        try state.save(student, to: folder)
        savedStep = state.step
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
        if state.step == recipe.quantization.startStep, student.options.config.scales == .learned {
            try student.holdCodes()
        }
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
                throw failure(error, step: state.step + 1)
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
    private func update(_ gradients: Gradients, norm: Double) throws(TrainingError) -> Float {
        let optimizer = recipe.optimizer
        let factor = recipe.schedule.factor(step: state.step, of: recipe.train.steps)
        // As PyTorch's clip_grad_norm_.
        let scale = optimizer.clipNorm.map { min(1, $0 / (Float(norm) + 1e-6)) } ?? 1
        var step = AdamWStep(
            rate: optimizer.learningRate * factor, beta1: optimizer.beta1, beta2: optimizer.beta2,
            epsilon: optimizer.epsilon, decay: optimizer.weightDecay, gradientScale: scale,
            step: state.step + 1)
        var steps = StudentSteps(step)
        steps.isRelative = optimizer.relativeRates
        step.decay = 0
        step.rate = optimizer.normLearningRate * factor
        steps.vectors = step
        // Scales begin with fake quantization.
        let startStep = recipe.quantization.startStep
        let isQuantized = state.step >= startStep
        step.rate = optimizer.codeLearningRate * factor
        steps.codes = step
        step.rate = optimizer.scaleLearningRate * factor
        if isQuantized { step.step -= startStep }
        steps.scales = step
        do throws(CheckpointError) {
            try student.update(gradients, by: steps, isQuantized: isQuantized)
        } catch {
            throw diverged(error, step: state.step + 1)
        }
        let isLearned = isQuantized && student.options.config.scales == .learned
        return isLearned ? steps.codes.rate : steps.matrices.rate
    }

    // MARK: - Divergence

    /// Another recipe is another run: a lower rate cannot be resumed with.
    private var divergenceAdvice: String {
        let learned = student.options.config.scales == .learned
        return "begin in another folder with a lower \(learned ? Self.learnedRates : Self.recomputedRate)"
    }
    /// Times that the running loss may grow beyond the first.
    private static let divergenceFactor = 4.0
    /// Nats up to which no loss has run away: formats of 8 bits begin so close to the teacher that any step is many
    /// times as far.
    private static let harmlessLoss = 0.2
    /// Steps over which the loss is averaged, and how many of them are enough to tell.
    private static let (window, fewest) = (20, 5)

    private func diverged(_ error: CheckpointError, step: Int) -> TrainingError {
        TrainingError(
            .diverged, "step \(step)", (error.subject.map { $0 + " " } ?? "") + error.problem,
            advice: divergenceAdvice)
    }

    /// Before the first step the weights are the teacher's: then the checkpoint is to blame.
    /// So it is at any step where the teacher itself gives NaN.
    private func failure(_ error: ModelError, step: Int) -> any Error {
        if case .teacherNonFinite = error { return error.checkpointError }
        return state.step == 0 ? error.checkpointError : diverged(error.checkpointError, step: step)
    }

    /// Compares the mean loss of the last steps with that of the first step on rounded weights, which nothing had
    /// changed yet, or with the evaluation before it.
    private func checkConvergence(_ loss: Double, _ norm: Double) throws(TrainingError) {
        guard loss.isFinite, norm.isFinite else {
            throw TrainingError(
                .diverged, "step \(state.step + 1)", "the loss is \(loss), the norm of the gradients \(norm)",
                advice: divergenceAdvice)
        }
        // Until rounding begins the student is the teacher, and its loss next to nothing.
        let age = state.step - recipe.quantization.startStep
        guard age >= 0 else { return }
        if age == 0 { state.firstLoss = max(loss, state.start?.divergence ?? 0) }
        state.runningLoss += (loss - state.runningLoss) / Double(min(age + 1, Self.window))
        guard age + 1 >= Self.fewest,
            state.runningLoss > max(Self.divergenceFactor * state.firstLoss, Self.harmlessLoss)
        else { return }
        throw TrainingError(
            .diverged, "step \(state.step + 1)",
            "the mean loss rose from \(Decimals.short(state.firstLoss)) to \(Decimals.short(state.runningLoss))",
            advice: divergenceAdvice)
    }

    // MARK: - Evaluation

    private func evaluate(_ records: RunRecords) throws -> HeldOutScore? {
        guard let heldOut else { return nil }
        // Its buffers are of other sizes than those of steps.
        teacher.compute.pool.releaseIdle()
        defer { teacher.compute.pool.releaseIdle() }
        let isQuantized = state.step >= recipe.quantization.startStep || state.step == 0
        let score: HeldOutScore
        do throws(ModelError) {
            score = try heldOut.score(
                isQuantized ? student.quantized : student.unquantized, teacher: teacher, step: state.step)
        } catch {
            throw failure(error, step: state.step)
        }
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
