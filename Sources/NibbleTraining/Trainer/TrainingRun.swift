public import NibbleCalibration
public import NibbleCheckpoint
public import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

/// A run that is prepared: models, text and folder are there, at the state that was saved last.
public final class TrainingRun {
    /// What was asked for.
    public let request: TrainingRequest
    /// The unquantized model.
    public let teacher: LanguageModel
    /// The model that is trained.
    public let student: Student
    /// What it is trained on.
    public let batches: TokenBatches
    /// The memory that it takes.
    public let memory: MemoryPlan
    /// What the user should know: a teacher that is quantized, a start that is dithered, a damaged saved state; once it
    /// trains, methods of calibration that did not run.
    public internal(set) var notes: [String]
    /// What is left out of the teacher's checkpoint, and which of two parts that contradict each other counts.
    public let warnings: [CheckpointNote]
    private let heldOut: HeldOutScoring?
    /// The teacher's probabilities, where the recipe has them cached.
    let cachedTeacher: CachedTeacher?
    let session: TrainingSession
    /// Whether the weights may be those of no saved state, after an error or an interruption.
    private(set) var isBetweenStates = false
    var recipe: Recipe { request.recipe }

    init(
        _ trainer: Trainer, progress: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws {
        (request, teacher) = (trainer.request, trainer.teacher)
        let (recipe, checkpoint) = (request.recipe, trainer.checkpoint)
        let digest = "\(TeacherDigest(checkpoint, threads: request.threads))"
        let generated = try TextGeneration(
            request, trainer.texts, teacher: teacher, teacherDigest: digest
        ).tokens(tokenizer: trainer.tokenizer, preparing: progress, isCancelled: isCancelled)
        let (training, heldOutText) = try trainer.texts.read(trainer.tokenizer, generated: generated)
        batches = try TokenBatches(
            training, sequencesPerStep: recipe.train.sequencesPerStep, seed: recipe.train.seed,
            shares: trainer.texts.shares)
        memory = try MemoryPlan.fitting(
            MemoryPlan.Subject(
                recipe, try recipe.quantization.plan().resolve(checkpoint), checkpoint.configuration,
                teacher.compute),
            request, sequenceCount: training.sequenceCount)
        let identity = RunIdentity(
            teacherPath: request.teacher, teacherDigest: digest, textDigest: training.digest,
            heldOutDigest: heldOutText?.digest, recipeDigest: recipe.digest, totalSteps: recipe.train.steps,
            teacherCachePath: request.teacherCache, nibbleVersion: request.version)
        // Weights that cannot be encoded leave no run behind. A teacher is cached before the student takes its memory, as the
        // teacher's file may need it.
        let early =
            recipe.teacher.kind == .cached
            ? nil : try Student(checkpoint, recipe: recipe, compute: teacher.compute)
        session = try TrainingSession(request, identity)
        let (teacher, folder) = (trainer.teacher, session.folder.path)
        heldOut = try heldOutText.map { try HeldOutScoring($0, teacher: teacher, folder: folder) }
        cachedTeacher =
            recipe.teacher.kind == .cached
            ? try CachedTeacher(
                teacher, identity, recipe, batches,
                path: request.teacherCache ?? session.folder.teacherCachePath, preparing: progress,
                isCancelled: isCancelled) : nil
        // Of text that was written, of probabilities that were cached.
        teacher.compute.pool.releaseIdle()
        student = try early ?? Student(checkpoint, recipe: recipe, compute: teacher.compute)
        try session.restore(student)
        warnings = checkpoint.notes + trainer.tokenizer.vocabulary.notes
        notes = request.recipe.notes
        if !trainer.texts.unusedNames.isEmpty {
            let names = trainer.texts.unusedNames.map { "'\($0)'" }.joined(separator: ", ")
            notes.append(
                "train.mixture has no shares, so that the names of texts are of no account: \(names)")
        }
        noteTeacher()
        noteRates()
        noteLength()
        noteSpace()
        if session.savedStep == nil { remember(uncalibrated) }
        notes += session.notes + session.state.calibrationNotes
    }

    /// The step of the saved state that this goes on from; nil where it begins.
    public var resumedAt: Int? { session.resumedAt }

    /// Trains to the last step of the recipe, or until held-out text gets no better.
    ///
    /// - Parameters:
    ///   - progress: called after every step and evaluation.
    ///   - preparing: called while the weights are calibrated that training begins with.
    ///   - isCancelled: asked after every step; the state is saved then. Calibration that is cut short goes on
    ///     from the last sublayer that was done.
    /// - Throws: `TrainingError` (`diverged`) where the loss is no number or runs away: what was saved before stays;
    ///   `CheckpointError` where a file cannot be written.
    /// - Precondition: no call before has thrown or was cut short in calibration: the folder is opened again then.
    public func train(
        progress: (TrainingProgress) -> Void = { _ in },
        preparing: (PreparationProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> TrainingSummary {
        precondition(!isBetweenStates, "\(session.folder.path) is to be opened again")
        isBetweenStates = true
        try session.openRecords()
        try session.log(
            "nibble \(request.version), \(teacher.compute.summary), from step \(session.state.step)")
        for note in notes { try session.log(note) }
        var ending = TrainingSummary.Ending.finished
        if session.savedStep == nil, try !begin(preparing: preparing, isCancelled: isCancelled) {
            ending = .interrupted
        }
        let gradients = Gradients(compute: student.compute)
        var meter = SpeedMeter()
        var losses: [Double] = []
        while session.state.step < recipe.train.steps, !session.state.stoppedEarly, ending == .finished {
            let now = try step(gradients, &meter)
            losses.append(now.loss)
            progress(now)
            let isLast = now.step == recipe.train.steps
            if isDue(recipe.evaluation.every) || isLast, let score = try evaluate() {
                session.state.judge(score, patience: recipe.evaluation.patience)
                var evaluated = now
                evaluated.heldOut = score
                progress(evaluated)
            }
            let stops = isCancelled()
            if isDue(recipe.checkpoints.every) || isLast || session.state.stoppedEarly || stops
                || session.isBest
            {
                try session.save(student)
            }
            if stops, !isLast {
                ending = .interrupted
                break
            }
        }
        if session.state.stoppedEarly { ending = .stoppedEarly }
        try session.log("\(ending.rawValue) at step \(session.state.step)")
        isBetweenStates = session.savedStep != session.state.step
        return session.state.summary(ending, meter, losses)
    }

    /// Measures what rounding to nearest costs, and calibrates; returns false where it was cancelled.
    private func begin(
        preparing: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws -> Bool {
        let calibration = student.scope.calibration
        session.state.rounded = try evaluate(
            "rounded to nearest", prefix: calibration == nil ? "" : "rounded_")
        session.state.heldOut = session.state.rounded
        guard calibration != nil || recipe.train.steps == 0 else { return true }
        if let calibration {
            // Of weights that are no longer there.
            session.state.heldOut = nil
            guard try calibrate(calibration, preparing: preparing, isCancelled: isCancelled) else {
                return false
            }
            session.state.calibrated = try evaluate("calibrated")
            session.state.heldOut = session.state.calibrated
        }
        teacher.compute.pool.releaseIdle()
        // Calibration may have taken longer than many steps.
        try session.save(student)
        CalibrationScratch.remove(session.folder.calibrationPath)
        return true
    }

    private func isDue(_ interval: Int) -> Bool {
        interval > 0 && session.state.step.isMultiple(of: interval)
    }

    /// One training step; returns its figures.
    private func step(_ gradients: Gradients, _ meter: inout SpeedMeter) throws -> TrainingProgress {
        let began = ContinuousClock.now
        let isQuantized = isQuantized
        let fused =
            recipe.optimizer.state == .int8
            ? FusedUpdate(student, recipe, step: session.state.step, gradients) : nil
        let (figures, norm) = try accumulate(gradients, fused)
        let steps = fused?.steps ?? StudentSteps(recipe, step: session.state.step, norm: norm)
        do throws(CheckpointError) {
            if let fused {
                try fused.finish()
            } else {
                try student.update(gradients, by: steps, isQuantized: isQuantized)
            }
        } catch {
            throw diverged(error, step: session.state.step + 1)
        }
        session.state.step += 1
        meter.add(tokens: figures.tokens, since: began)
        let left = recipe.train.steps - session.state.step
        let progress = TrainingProgress(
            step: session.state.step, totalSteps: recipe.train.steps, loss: figures.loss,
            divergence: figures.divergence,
            learningRate: Double(
                student.scope.learnsScales && isQuantized ? steps.codes.rate : steps.matrices.rate),
            gradientNorm: norm, tokensPerSecond: meter.recent,
            remaining: meter.time(tokens: figures.tokens * left), heldOut: session.state.heldOut)
        try session.append(progress, elapsed: meter.elapsed)
        return progress
    }

    /// Whether the next step is taken on rounded weights.
    private var isQuantized: Bool { session.state.step >= recipe.quantization.startStep }

    /// The gradients of the next step's batch, with their norm.
    ///
    /// - Parameter fused: updates matrices on the way back.
    private func accumulate(
        _ gradients: Gradients, _ fused: FusedUpdate?
    ) throws -> (TrainingStep.Figures, norm: Double) {
        let step = session.state.step
        gradients.reset()
        if step == recipe.quantization.startStep, student.scope.learnsScales { try student.holdCodes() }
        guard let model = isQuantized ? student.quantized : student.unquantized else {
            preconditionFailure("weights are kept in F32 until they are quantized: a rule of recipes")
        }
        let pass = DistillationPass(
            teacher: teacher, student: model,
            loss: recipe.loss, recomputes: memory.recomputes)
        let figures: TrainingStep.Figures
        do {
            figures = try TrainingStep(
                pass: pass, atATime: recipe.sequencesAtATime
            ).run(
                batches.indices(step: step), sequence: batches.text.sequence, cached: cachedTeacher,
                into: gradients)
        } catch let error as ModelError {
            throw failure(error, step: step + 1)
        }
        let norm =
            (gradients.sumOfSquares(student.parameters) + (fused?.sumOfSquares ?? 0)).squareRoot()
        let problem = session.state.convergence.problem(
            loss: figures.loss, norm: norm, age: step - recipe.quantization.startStep,
            divergence: session.state.rounded?.divergence ?? 0)
        if let problem {
            throw TrainingError(.diverged, "step \(step + 1)", problem, advice: divergenceAdvice)
        }
        return (figures, norm)
    }

    // MARK: - Evaluation

    /// Perplexity and divergence of the student as an export would write it now; nil where there is no held-out text.
    ///
    /// - Parameters:
    ///   - state: what it is, for the log.
    ///   - prefix: of the names of its figures, where calibration makes another state of the same step.
    private func evaluate(_ state: String = "trained", prefix: String = "") throws -> HeldOutScore? {
        guard let heldOut else { return nil }
        // Its buffers are of other sizes than those of steps.
        teacher.compute.pool.releaseIdle()
        defer { teacher.compute.pool.releaseIdle() }
        let step = session.state.step
        let score: HeldOutScore
        do throws(CheckpointError) {
            score = try heldOut.score(student.quantized, step: step)
        } catch {
            throw step == 0 ? error : diverged(error, step: step)
        }
        try session.append(score, of: state, prefix: prefix)
        return score
    }

    // MARK: - Divergence

    /// Another recipe is another run: a lower rate cannot be resumed with.
    private var divergenceAdvice: String {
        "begin in another folder with a lower "
            + (student.scope.learnsScales ? Self.learnedRates : Self.recomputedRate)
    }

    private func diverged(_ error: CheckpointError, step: Int) -> TrainingError {
        TrainingError(
            .diverged, "step \(step)", (error.subject.map { $0 + " " } ?? "") + error.problem,
            advice: divergenceAdvice)
    }

    /// Before the first step the weights are the teacher's: then the checkpoint is to blame.
    /// So it is at any step where the teacher itself gives NaN.
    private func failure(_ error: ModelError, step: Int) -> any Error {
        if case .teacherNonFinite = error { return error.checkpointError }
        return session.state.step == 0 ? error.checkpointError : diverged(error.checkpointError, step: step)
    }
}
