internal import NibbleCalibration
internal import NibbleCheckpoint
public import NibbleEvaluation
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

/// The memory that a run takes, in bytes, known before its first step.
///
/// What one phase of a run has no use for is given back before the next, so that steps do not add to what comes before
/// them. Evaluations, which keep nothing for a way back, take less than steps do.
public struct MemoryPlan: Sendable, Equatable {
    /// The teacher's weights, mapped from their file: they can be read again where memory runs short.
    public var teacher: Int
    /// Weights, moments, learned scales and encoded blocks of what is trained.
    public var student: Int
    /// Weights that are quantized once and not trained.
    public var frozen: Int
    /// Gradients of parameters; where matrices are updated on the way back, as many as there are sizes.
    public var gradients: Int
    /// Activations that wait for their gradient.
    public var activations: Int
    /// Logits that are held, and what attention and products need at a time.
    public var scratch: Int
    /// Whether blocks are computed again on the way back.
    public var recomputes: Bool

    /// What calibration takes before the first step, when weights have no gradients yet.
    public var calibration: Int
    /// How it is done.
    var calibrationPlan: CalibrationPlan?

    /// All that is held at a time, but the teacher.
    public var resident: Int { student + frozen + max(steps, calibration) }

    /// What the steps take besides the weights.
    var steps: Int { gradients + activations + scratch }

    /// What is planned for.
    struct Subject {
        let recipe: Recipe
        let plan: ResolvedPlan
        let scope: TrainingScope
        let shape: ModelConfiguration
        let compute: Compute

        init(_ recipe: Recipe, _ plan: ResolvedPlan, _ shape: ModelConfiguration, _ compute: Compute) {
            self.recipe = recipe
            self.plan = plan
            scope = TrainingScope(recipe, plan)
            self.shape = shape
            self.compute = compute
        }

        /// Tokens of a pass through the models.
        var tokens: Int {
            recipe.train.sequenceLength * min(recipe.sequencesAtATime, recipe.train.sequencesPerStep)
        }

        /// What calibration rounds before the first step.
        var calibrated: QuantizedMatrices {
            QuantizedMatrices(
                plan, weights: StoredWeights(level: compute.level),
                calibrates: { scope.learnsScales(of: $0.role) && $0.format.scaledBlocks != nil },
                advice: { _ in "" })
        }
    }

    /// - Parameters:
    ///   - recomputes: whether blocks are computed again on the way back.
    ///   - sequences: how many sequences weights are calibrated on before the first step; nil: they are not.
    ///   - limit: what may be used.
    init(_ subject: Subject, recomputes: Bool, sequences: Int?, limit: Int) {
        let (recipe, shape, compute) = (subject.recipe, subject.shape, subject.compute)
        let (tokens, length) = (subject.tokens, recipe.train.sequenceLength)
        let weights = StudentBytes(subject.plan, subject.scope, recipe.optimizer.state, compute)
        teacher = weights.teacher
        student = weights.trained
        frozen = weights.frozen
        gradients = weights.gradients
        self.recomputes = recomputes
        let stream = 4 * tokens * shape.embeddingLength * shape.layerCount
        let block =
            4 * tokens * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape))
        activations =
            (recomputes ? stream + block : block * shape.layerCount) + (recipe.loss.hidden > 0 ? stream : 0)
        let scores = 8 * shape.headCount * length * min(length, tokens) * max(tokens / length, 1) / 2
        let logits = compute.distillationScratch(
            tokens: tokens, vocabularySize: shape.vocabularySize, features: shape.embeddingLength,
            isCached: recipe.teacher.kind == .cached)
        scratch =
            scores + logits + 16 * tokens * max(shape.embeddingLength, shape.feedForwardLength)
        let held = student + frozen
        calibrationPlan = sequences.flatMap { count in
            subject.scope.calibration.map { options in
                CalibrationPlan(
                    options, [subject.calibrated], in: shape, sequences: count, heldOut: 0,
                    length: length, holdsVocabulary: false, compute: compute, held: 0,
                    limit: limit - held)
            }
        }
        calibration = calibrationPlan?.memory ?? 0
    }

    /// The plan of a run, which decides whether blocks are computed again on the way back where the recipe leaves that open.
    ///
    /// - Parameter sequenceCount: sequences of the training text.
    init(_ subject: Subject, sequenceCount: Int, limit: Int) {
        let sequences =
            subject.scope.calibration == nil ? nil : min(subject.recipe.calibration.sequences, sequenceCount)
        func plan(_ recomputes: Bool) -> MemoryPlan {
            MemoryPlan(subject, recomputes: recomputes, sequences: sequences, limit: limit)
        }
        switch subject.recipe.train.recompute {
        case .none: self = plan(false)
        case .blocks: self = plan(true)
        case .automatic:
            let whole = plan(false)
            self = whole.resident > limit ? plan(true) : whole
        }
    }

    /// What training would take, from shapes alone.
    ///
    /// - Parameters:
    ///   - model: a checkpoint, or a model that is known by name.
    ///   - limit: memory that may be used, in bytes. ``resident`` is above it where that would not suffice.
    /// - Throws: `CheckpointError` or `TrainingError` where the recipe does not fit the model.
    public init(_ model: MemorySubject, _ recipe: Recipe, threads: Int, limit: Int) throws {
        let recipe = try recipe.validated(path: "recipe")
        let precision = recipe.productPrecision
        let compute = Compute(
            threads: threads, precision: precision.isSupported ? precision : .fasterFloat, level: .best)
        let plan = try model.resolve(try recipe.quantization.plan())
        try Trainer.check(plan, for: recipe)
        let subject = Subject(recipe, plan, model.configuration, compute)
        self.init(subject, sequenceCount: .max, limit: limit)
    }

    /// The plan of a run.
    ///
    /// - Throws: `TrainingError` (`outOfMemory`) where memory would not suffice, with what each change to the recipe would
    ///   save.
    static func fitting(
        _ subject: Subject, _ request: TrainingRequest, sequenceCount: Int
    ) throws(TrainingError) -> MemoryPlan {
        // A tenth is left to the system and to what is not counted.
        let limit = (request.memoryLimit ?? ProcessMemory.physicalBytes) / 10 * 9
        let memory = MemoryPlan(subject, sequenceCount: sequenceCount, limit: limit)
        guard memory.resident <= limit else {
            let remedies = remedies(subject.recipe, resident: memory.resident, limit: limit) { recipe in
                MemoryPlan(
                    Subject(recipe, subject.plan, subject.shape, subject.compute),
                    // Of shorter sequences there are more.
                    sequenceCount: sequenceCount * subject.recipe.train.sequenceLength
                        / recipe.train.sequenceLength,
                    limit: limit)
            }
            throw TrainingError(
                .outOfMemory, request.teacher,
                "training needs \(ByteText.text(memory.resident)), \(ByteText.text(limit)) may be used (nine tenths of "
                    + "\(request.memoryLimit == nil ? "this machine's memory" : "the memory given"))",
                advice: remedies.advice)
        }
        return memory
    }
}
