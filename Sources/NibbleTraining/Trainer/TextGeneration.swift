internal import CLibrary
internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTokenizer

/// The text that a run has its teacher write.
struct TextGeneration {
    private let request: TrainingRequest
    private let texts: TrainingTexts
    private let teacher: LanguageModel
    private let teacherDigest: String

    init(_ request: TrainingRequest, _ texts: TrainingTexts, teacher: LanguageModel, teacherDigest: String) {
        self.request = request
        self.texts = texts
        self.teacher = teacher
        self.teacherDigest = teacherDigest
    }

    /// As many sequences as the run goes through, or is calibrated on where these are more, up to the limit of the request, and
    /// those that it holds out at most.
    private func sequences(limit: Int) -> Int {
        let (train, evaluation) = (request.recipe.train, request.recipe.evaluation)
        let used = max(train.steps * train.sequencesPerStep, request.recipe.calibration.sequences)
        let trained = min(limit, texts.own(of: used))
        guard evaluation.every > 0, request.heldOutTexts.isEmpty else { return trained }
        guard texts.shares != nil else { return trained + evaluation.count(beside: trained) }
        return trained + texts.own(of: evaluation.chunks ?? Recipe.Evaluation.defaultChunks)
    }

    /// The tokens, which are kept in the run folder; none where none are asked for.
    ///
    /// They are part of what a run is, so that they are there before it is.
    func tokens(
        tokenizer: Tokenizer, preparing: (PreparationProgress) -> Void, isCancelled: () -> Bool
    ) throws -> [Int32] {
        guard let limit = request.selfSequences else { return [] }
        let path = FilePath.trimmingSlashes(request.output)
        if !request.resumes || !FilePath.exists(FilePath.join(path, RunFolder.Name.identity)) {
            try FilePath.makeFolder(path)
            try RunFolder.checkUnused(path)
        }
        let lock = try FolderLock(path: FilePath.join(path, RunFolder.Name.lock))
        defer { withExtendedLifetime(lock) {} }
        let train = request.recipe.train
        var text = SelfText(
            teacherDigest: teacherDigest, sequenceCount: sequences(limit: limit),
            sequenceLength: train.sequenceLength, seed: train.seed)
        text.boundMemory(by: request.memoryLimit)
        let total = text.tokenCount(tokenizer)
        do {
            return try text.tokens(
                path: FilePath.join(path, RunFolder.Name.selfText), teacher: teacher, tokenizer: tokenizer,
                progress: { preparing(PreparationProgress(stage: .writingText, done: $0, total: total)) },
                isCancelled: isCancelled)
        } catch var error as CheckpointError where error.code == .cancelled {
            error.advice = "the same command with --resume goes on from there"
            throw error
        }
    }
}
