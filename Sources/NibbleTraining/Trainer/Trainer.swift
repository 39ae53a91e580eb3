public import NibbleCheckpoint
public import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

/// Quantization-aware training: a student whose weights are rounded as they will be in the file learns the
/// probabilities of the unquantized checkpoint.
///
/// Creating a trainer reads everything, checks that it fits together and into memory, and makes or opens the run
/// folder; ``run(progress:isCancelled:)`` trains. The same recipe, texts and teacher give the same bits on any number of
/// threads, however often the run was interrupted.
///
/// ```swift
/// var request = TrainingRequest(
///     teacher: "gemma-3-270m", texts: ["texts"], output: "run", threads: 2, version: "0.3.0")
/// request.recipe.train.steps = 200
/// let trainer = try Trainer(request)
/// let summary = try trainer.run()
/// try trainer.export(to: "gemma.qat.gguf")
/// ```
public final class Trainer {
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
    /// Whether blocks are computed again on the way back.
    public let recomputes: Bool
    /// What the user should know: a teacher that is quantized, a start that is dithered, a damaged checkpoint; once it
    /// runs, matrices that begin without error feedback.
    public internal(set) var notes: [String] = []
    /// What is left out of the teacher's checkpoint, and which of two parts that contradict each other counts.
    public private(set) var warnings: [CheckpointNote] = []
    let heldOut: HeldOutText?
    /// The teacher's probabilities, where the recipe has them cached.
    let cachedTeacher: CachedTeacher?
    let folder: RunFolder
    var state = TrainingState()
    /// The step of the saved state that this goes on from; nil where it begins.
    public private(set) var resumedAt: Int?
    /// The step of the state that was saved last; nil before the first.
    var savedStep: Int?
    var recipe: Recipe { request.recipe }

    /// Sequences of this many tokens in all pass through the models at a time, a single longer one by itself.
    static let tokensAtATime = 1024

    /// Opens everything; has the teacher write text and compute probabilities where the request and the recipe ask for it.
    ///
    /// - Parameters:
    ///   - preparing: called as text is written and probabilities are computed.
    ///   - isCancelled: asked meanwhile. What was done is kept for the next time.
    /// - Throws: `TrainingError` or `CheckpointError`, naming what does not fit.
    public init(
        _ request: TrainingRequest, preparing: (PreparationProgress) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws {
        self.request = request
        let recipe = try request.recipe.validated(path: request.recipePath)
        try TextFiles.checkPresence(request.texts + request.heldOutTexts)
        if let cache = request.teacherCache { try OutputPlace(file: cache).check(replacing: true) }
        let checkpoint = try ModelCheckpoint(path: request.teacher)
        let tokenizer = try Tokenizer(checkpoint)
        let compute = try Self.compute(recipe, request)
        let options = try StudentOptions(recipe, for: checkpoint)
        try Self.checkPlan(options, checkpoint)
        try Self.checkTeacher(recipe, request, checkpoint)
        teacher = try LanguageModel(checkpoint, compute: compute)
        let digest = "\(TeacherDigest(checkpoint, threads: request.threads))"
        let generated = try TextGeneration(request, teacher: teacher, teacherDigest: digest).tokens(
            tokenizer: tokenizer, preparing: preparing, isCancelled: isCancelled)
        let texts = try Self.texts(request, tokenizer, generated: generated)
        heldOut = texts.heldOut
        batches = try TokenBatches(
            texts.training, sequencesPerStep: recipe.train.sequencesPerStep, seed: recipe.train.seed)
        student = try Student(checkpoint, options: options, compute: compute)
        (memory, recomputes) = try Self.plan(
            student, request, sequenceCount: batches.text.sequenceCount)
        let identity = RunIdentity(
            teacherPath: request.teacher,
            teacherDigest: digest, textDigest: texts.training.digest, heldOutDigest: texts.heldOut?.digest,
            recipeDigest: recipe.digest, totalSteps: recipe.train.steps,
            teacherCachePath: request.teacherCache,
            nibbleVersion: request.version)
        folder = try Self.folder(request, identity, recipe)
        folder.retention = Retention(last: recipe.checkpoints.keep, keepsBest: true)
        cachedTeacher =
            recipe.teacher.kind == .cached
            ? try CachedTeacher(
                teacher, identity, recipe, batches, path: request.teacherCache ?? folder.teacherCachePath,
                preparing: preparing, isCancelled: isCancelled) : nil
        warnings = checkpoint.notes + tokenizer.vocabulary.notes
        noteTeacher(checkpoint)
        noteRates()
        noteSpace()
        try restore()
        // Of text that was written, of probabilities that were cached.
        compute.pool.releaseIdle()
    }

    private func restore() throws(CheckpointError) {
        var warnings: [String] = []
        if let saved = try folder.latest(warn: { warnings.append($0) }) {
            state = try TrainingState(saved, into: student)
            (resumedAt, savedStep) = (state.step, state.step)
            // Killed between the save and the mark.
            if let best = state.best, best.step == state.step {
                try folder.markBest(step: best.step, value: best.divergence)
            }
        }
        notes += warnings
    }

    // MARK: - Parts

    private static func compute(_ recipe: Recipe, _ request: TrainingRequest) throws(TrainingError) -> Compute
    {
        guard recipe.train.precision.isSupported else {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "train.precision is \(recipe.train.precision.rawValue), which needs AVX-512 BF16",
                advice: "choose auto or f32")
        }
        // The forward pass on int8 activations is that of the automatic precision; without, BF16 is the fastest.
        let precision: Precision
        switch (recipe.quantization.activations, recipe.train.precision) {
        case (.int8, .automatic): precision = .automatic
        case (.int8, let other):
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "quantization.activations is int8, train.precision \(other.rawValue)",
                advice: "int8 activations need precision auto")
        case (.none, .automatic): precision = Precision.bf16.isSupported ? .bf16 : .f32
        case (.none, let other): precision = other
        }
        let compute = Compute(threads: request.threads, precision: precision)
        if recipe.quantization.activations == .int8, !compute.hasInt8 {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "quantization.activations is int8, which needs AVX-512 VNNI and BF16",
                advice: "train with activations none")
        }
        return compute
    }

    private static func checkPlan(_ options: StudentOptions, _ checkpoint: ModelCheckpoint) throws {
        let assignments = try options.plan.assignments(for: checkpoint)
        guard assignments.contains(where: { $0.format.isQuantized && options.trains($0.role) }) else {
            throw TrainingError(
                .invalidRecipe, "quantization.type \(options.plan.type.rawValue)",
                "quantizes nothing of what is trained", advice: "choose a quantized type, such as q4_0")
        }
        guard options.config.scales == .learned,
            let other = assignments.first(where: {
                options.learnsScales(of: $0.role) && !$0.format.learnsScales
            })
        else { return }
        let types = ScaledBlocks.types.map(\.description).joined(separator: ", ")
        throw TrainingError(
            .invalidRecipe, "quantization.scales learned",
            "tensor '\(other.name)' becomes \(other.format), expected one of \(types), whose scales can be learned",
            advice:
                "give it such a type with quantization.tensor_types or quantization.embedding_type, or train "
                + "less, or set quantization.scales to recomputed")
    }

    private static func checkTeacher(
        _ recipe: Recipe, _ request: TrainingRequest, _ checkpoint: ModelCheckpoint
    ) throws(TrainingError) {
        let size = checkpoint.configuration.vocabularySize
        if recipe.teacher.kind == .live, let cache = request.teacherCache {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "teacher.kind is live, but a cache is named, '\(cache)', which it has no use for",
                advice: "set teacher.kind to cached, or name no cache")
        }
        guard recipe.teacher.kind == .live || recipe.teacher.top <= size else {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "teacher.top is \(recipe.teacher.top), the vocabulary has \(size) tokens",
                advice: "lower teacher.top")
        }
    }

    private static func texts(
        _ request: TrainingRequest, _ tokenizer: Tokenizer, generated: [Int32]
    ) throws -> (training: TrainingText, heldOut: HeldOutText?) {
        let (length, evaluation) = (request.recipe.train.sequenceLength, request.recipe.evaluation)
        func read(_ paths: [String], generated: [Int32] = []) throws -> TrainingText {
            try TrainingText(
                paths: paths, textField: request.textField, tokenizer: tokenizer, sequenceLength: length,
                generated: generated)
        }
        let text = try read(request.texts, generated: generated)
        guard evaluation.every > 0 else { return (text, nil) }
        if request.heldOutTexts.isEmpty {
            let (sequences, rest) = try text.heldOut(sequences: evaluation.chunks)
            return (rest, HeldOutText(sequences))
        }
        let other = try read(request.heldOutTexts)
        let count = min(evaluation.chunks, other.sequenceCount)
        let sequences = (0..<count).map { other.sequence($0 * other.sequenceCount / count) }
        return (text, HeldOutText(sequences))
    }

    private static func plan(
        _ student: Student, _ request: TrainingRequest, sequenceCount: Int
    ) throws(TrainingError) -> (MemoryPlan, Bool) {
        let feedbackSequences =
            roundsWithFeedback(student, request.recipe)
            ? min(request.recipe.start.importanceSequences, sequenceCount) : 0
        let train = request.recipe.train
        let tokens = min(
            max(Self.tokensAtATime, train.sequenceLength), train.sequenceLength * train.sequencesPerStep)
        func plan(_ recomputes: Bool) -> MemoryPlan {
            MemoryPlan(
                student, tokens: tokens, length: train.sequenceLength, recomputes: recomputes,
                isCached: request.recipe.teacher.kind == .cached,
                matchesHidden: request.recipe.loss.hidden > 0, feedbackSequences: feedbackSequences,
                weighsTokens: request.recipe.start.tokens == .gradient,
                compensates: request.recipe.start.compensation > 0)
        }
        // A tenth is left to the system and to what is not counted.
        let limit = (request.memoryLimit ?? MemoryPlan.physicalMemory) / 10 * 9
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
                advice: memory.start > memory.steps
                    ? "lower start.importance_sequences, or set start.tokens to equal or start.weights to teacher"
                    : recomputes
                        ? "shorten train.sequence_length, or train fewer parameters"
                        : "set train.recompute to blocks, or shorten train.sequence_length")
        }
        return (memory, recomputes)
    }

    private static func folder(
        _ request: TrainingRequest, _ identity: RunIdentity, _ recipe: Recipe
    ) throws -> RunFolder {
        if request.resumes, FilePath.exists(FilePath.join(request.output, RunFolder.Name.identity)) {
            return try RunFolder.open(path: request.output, expecting: identity)
        }
        return try RunFolder.create(path: request.output, identity: identity, recipeYAML: recipe.yaml)
    }
}
