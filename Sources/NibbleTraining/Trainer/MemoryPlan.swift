internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// The memory that a run takes, in bytes, known before its first step.
///
/// What one phase of a run has no use for is given back before the next, so that steps do not add to what comes before
/// them. Evaluations, which keep nothing for a way back, take less than steps do.
public struct MemoryPlan: Sendable, Equatable {
    /// The teacher's weights, mapped from their file: they can be read again where memory runs short.
    public var teacher: Int
    /// Masters, moments, learned scales and encoded blocks of what is trained.
    public var student: Int
    /// Weights that are quantized once and not trained.
    public var frozen: Int
    /// Gradients of parameters.
    public var gradients: Int
    /// Activations that wait for their gradient.
    public var activations: Int
    /// Logits that are held, and what attention and products need at a time.
    public var scratch: Int

    /// What calibration takes before the first step, when weights have no gradients yet.
    public var calibration: Int
    /// How it is done.
    var calibrationPlan: CalibrationPlan?

    /// All that is held at a time, but the teacher.
    public var resident: Int { student + frozen + max(steps, calibration) }

    /// What the steps take besides the weights.
    var steps: Int { gradients + activations + scratch }

    /// - Parameters:
    ///   - tokens: of a pass through the models.
    ///   - recomputes: whether blocks are computed again on the way back.
    ///   - sequences: how many sequences weights are calibrated on before the first step; nil: they are not.
    ///   - limit: what may be used.
    init(
        _ student: Student, _ recipe: Recipe, tokens: Int, recomputes: Bool, sequences: Int?, limit: Int
    ) {
        let shape = student.checkpoint.configuration
        let length = recipe.train.sequenceLength
        teacher = student.checkpoint.tensors.reduce(0) { $0 + $1.entry.range.count }
        let matrices = student.matrices.reduce(0) { $0 + $1.byteCount }
        let vectors = student.vectors.reduce(0) { $0 + 12 * $1.count }
        self.student = matrices + vectors
        frozen = student.frozenByteCount
        // Those of weights are taken where only their scales are trained, too.
        gradients = student.parameters.reduce(0) { $0 + 4 * $1.count }
        let stream = 4 * tokens * shape.embeddingLength * shape.layerCount
        let block =
            4 * tokens * (Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape))
        activations =
            (recomputes ? stream + block : block * shape.layerCount) + (recipe.loss.hidden > 0 ? stream : 0)
        let scores = 8 * shape.headCount * length * min(length, tokens) * max(tokens / length, 1) / 2
        let logits = student.compute.distillationScratch(
            tokens: tokens, vocabularySize: shape.vocabularySize, features: shape.embeddingLength,
            isCached: recipe.teacher.kind == .cached)
        scratch =
            scores + logits + 16 * tokens * max(shape.embeddingLength, shape.feedForwardLength)
        let held = matrices + vectors + frozen
        calibrationPlan = sequences.flatMap { count in
            student.scope.calibration.map { options in
                CalibrationPlan(
                    options, student.quantizedMatrices, in: shape, sequences: count, heldOut: 0,
                    length: length, holdsVocabulary: false, compute: student.compute, held: 0,
                    limit: limit - held)
            }
        }
        calibration = calibrationPlan?.memory ?? 0
    }

    /// The plan of a run, which says whether it computes blocks again on the way back.
    ///
    /// - Throws: `TrainingError` (`outOfMemory`) where memory would not suffice, with what to change.
    static func fitting(
        _ student: Student, _ request: TrainingRequest, sequenceCount: Int
    ) throws(TrainingError) -> (plan: MemoryPlan, recomputes: Bool) {
        let (recipe, train) = (request.recipe, request.recipe.train)
        let sequences =
            student.scope.calibration == nil ? nil : min(recipe.calibration.sequences, sequenceCount)
        let tokens = min(
            max(Calibrator.tokensAtATime, train.sequenceLength), train.sequenceLength * train.sequencesPerStep
        )
        // A tenth is left to the system and to what is not counted.
        let limit = (request.memoryLimit ?? ProcessMemory.physicalBytes) / 10 * 9
        func plan(_ recomputes: Bool) -> MemoryPlan {
            MemoryPlan(
                student, recipe, tokens: tokens, recomputes: recomputes, sequences: sequences, limit: limit)
        }
        let recomputes: Bool
        switch train.recompute {
        case .none: recomputes = false
        case .blocks: recomputes = true
        case .automatic: recomputes = plan(false).resident > limit
        }
        let memory = plan(recomputes)
        guard memory.resident <= limit else {
            throw TrainingError(
                .outOfMemory, request.teacher,
                "training needs \(ByteText.text(memory.resident)), \(ByteText.text(limit)) may be used (nine tenths of "
                    + "\(request.memoryLimit == nil ? "this machine's memory" : "the memory given"))",
                advice: memory.calibration > memory.steps
                    ? "set calibration.token_weights to equal or calibration.method to nearest"
                    : recomputes
                        ? "shorten train.sequence_length, or train fewer parameters"
                        : "set train.recompute to blocks, or shorten train.sequence_length")
        }
        return (memory, recomputes)
    }
}
