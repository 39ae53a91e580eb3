public import NibbleCalibration
internal import NibbleCheckpoint
public import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor
internal import NibbleTokenizer

/// Quantization-aware training: a student whose weights are rounded as they will be in the file learns the
/// probabilities of the unquantized checkpoint.
///
/// Creating a trainer opens the checkpoint and checks that recipe and request fit it, in seconds.
/// ``prepare(progress:isCancelled:)`` reads text, has the teacher write some and caches its probabilities where that is
/// asked for, and makes or opens the run folder; ``TrainingRun/train(progress:preparing:isCancelled:)`` trains. The same
/// recipe, texts and teacher give the same bits on any number of threads, however often the run was interrupted.
///
/// ```swift
/// var request = TrainingRequest(
///     teacher: "gemma-3-270m", texts: ["texts"], output: "run", threads: 2, version: "0.2.0")
/// request.recipe.train.steps = 200
/// let run = try Trainer(request).prepare()
/// let summary = try run.train()
/// try run.export(to: "gemma.qat.gguf", exporter: CheckpointExporters.gguf)
/// ```
public struct Trainer {
    /// What is asked for.
    public let request: TrainingRequest
    /// The unquantized model.
    public let teacher: LanguageModel
    let checkpoint: ModelCheckpoint
    let tokenizer: Tokenizer
    let texts: TrainingTexts

    /// Opens the checkpoint, and checks what can be checked without reading text and weights.
    ///
    /// - Throws: `TrainingError` or `CheckpointError`, naming what does not fit.
    public init(_ request: TrainingRequest) throws {
        self.request = request
        let recipe = try request.recipe.validated(path: request.recipePath)
        texts = try TrainingTexts(request)
        if let cache = request.teacherCache { try OutputPlace(file: cache).check(replacing: true) }
        checkpoint = try ModelCheckpoint(path: request.teacher)
        tokenizer = try Tokenizer(checkpoint)
        let compute = try Self.compute(recipe, request)
        try Self.check(try recipe.quantization.plan().resolve(checkpoint), for: recipe)
        try Self.checkTeacher(recipe, request, checkpoint)
        teacher = try LanguageModel(checkpoint, compute: compute)
    }

    /// Makes everything that training needs, and makes or opens the run folder.
    ///
    /// - Parameters:
    ///   - progress: called as text is written and probabilities are computed.
    ///   - isCancelled: asked meanwhile. What was done is kept for the next time.
    /// - Throws: `TrainingError`, `TextError` or `CheckpointError`, naming what does not fit; `TrainingError`
    ///   (`outOfMemory`) where memory would not suffice.
    public func prepare(
        progress: (PreparationProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws -> TrainingRun {
        try TrainingRun(self, progress: progress, isCancelled: isCancelled)
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
        if recipe.quantization.activations == .int8, recipe.train.precision != .automatic {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "quantization.activations is int8, train.precision \(recipe.train.precision.rawValue)",
                advice: "int8 activations need precision auto")
        }
        let compute = Compute(
            threads: request.threads, precision: recipe.productPrecision, level: request.level)
        if recipe.quantization.activations == .int8, !compute.hasInt8 {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "quantization.activations is int8, which needs AVX-512 VNNI",
                advice: "train with activations none")
        }
        return compute
    }

    /// Checks that a plan leaves something to train, and scales that can be learned where that is asked for.
    static func check(_ plan: ResolvedPlan, for recipe: Recipe) throws(TrainingError) {
        let scope = TrainingScope(recipe, plan)
        guard plan.tensors.contains(where: { $0.format.isQuantized && scope.trains($0.role) }) else {
            throw TrainingError(
                .invalidRecipe, "quantization.type \(recipe.quantization.type.rawValue)",
                "quantizes nothing of what is trained", advice: "choose a quantized type, such as q4_0")
        }
        if recipe.calibration.method == .gptq, let obstacle = scope.obstacle {
            throw TrainingError(
                .invalidRecipe, "calibration.method gptq", "needs learned scales, but \(obstacle)",
                advice: "set calibration.method to auto or nearest, or give all trained matrices such a type")
        }
        guard scope.learnsScales, let other = scope.unlearnable else { return }
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
        guard recipe.teacher.kind == .live || recipe.teacher.topK <= size else {
            throw TrainingError(
                .invalidRecipe, request.recipePath,
                "teacher.top_k is \(recipe.teacher.topK), the vocabulary has \(size) tokens",
                advice: "lower teacher.top_k")
        }
    }
}
