internal import CLibrary
internal import NibbleCheckpoint
public import NibbleQuantization

/// How far a run is, read from its folder while a process may be training in it.
public struct RunStatus: Sendable, Equatable {
    /// A file of ``checkpoints``.
    public struct Checkpoint: Sendable, Equatable {
        /// Steps done when it was saved.
        public var step: Int
        /// Bytes of the file. Its checksum was not compared.
        public var byteCount: Int
    }

    /// A figure of a step.
    public struct Point: Sendable, Equatable {
        /// Steps done.
        public var step: Int
        /// The figure; NaN where `null` was logged.
        public var value: Double
    }

    /// What the run is a run of.
    public var identity: RunIdentity
    /// What it trains for.
    public var type: QuantizationType
    /// The last step that was logged, 0 before the first.
    public var step: Int
    /// The figures of all steps.
    public var history: RunHistory
    /// Tokens of a step.
    public var tokensPerStep: Int
    /// The checkpoint marked as the best; nil where none was.
    public var best: BestCheckpoint?
    /// Checkpoints, oldest first.
    public var checkpoints: [Checkpoint]
    /// The probabilities of a cached teacher, in the folder or where the run was told to keep them; nil where there are
    /// none.
    public var teacherCache: TeacherCacheStatus?
    /// Whether a process trains in the folder.
    public var isRunning: Bool
    /// Bytes of all files in the folder.
    public var byteCount: Int

    /// The last training loss; nil before the first.
    public var loss: Point? { history.losses.last }
    /// Divergences on held-out text in order.
    public var heldOut: [Point] { history.heldOut }
    /// Whether all steps are done.
    public var isFinished: Bool { step >= identity.totalSteps }
    /// The time that is left at the speed of the last steps, in seconds; nil where that is not known.
    public var secondsLeft: Double? {
        history.speed.map { Double(max(identity.totalSteps - step, 0) * tokensPerStep) / $0 }
    }

    /// Whether there is a run at `path`.
    public static func isRun(_ path: String) -> Bool { RunFolder.isRun(path) }

    /// The recipe of the run at `path`.
    ///
    /// - Throws: `TrainingError` (`invalidRecipe`) where it is damaged.
    public static func recipe(of path: String) throws -> Recipe {
        try Recipe(path: FilePath.join(path, RunFolder.Name.recipe))
    }

    /// Looks at the run at `path`.
    ///
    /// - Throws: `TrainingError` (`mismatch`) where there is no run, (`invalidRecipe`) where its recipe is damaged,
    ///   `CheckpointError` where anything else is.
    public init(path: String) throws {
        let path = FilePath.trimmingSlashes(path)
        try RunFolder.checkIsRun(path)
        let folder = FilePath.join(path, RunFolder.Name.checkpoints)
        identity = try RunIdentity(path: FilePath.join(path, RunFolder.Name.identity))
        let recipe = try Self.recipe(of: path)
        type = recipe.quantization.type
        tokensPerStep = recipe.train.sequencesPerStep * recipe.train.sequenceLength
        let metrics = try MetricsHistory(path: FilePath.join(path, RunFolder.Name.metrics))
        step = metrics.records.last?.step ?? 0
        history = RunHistory(metrics)
        best = try BestCheckpoint(path: FilePath.join(folder, RunFolder.Name.best))
        // A file that is removed between the listing and the look is left out.
        checkpoints = RunFolder.savedSteps(folder).compactMap { step in
            Self.byteCount(FilePath.join(folder, RunFolder.checkpointName(step))).map {
                Checkpoint(step: step, byteCount: $0)
            }
        }
        teacherCache = try TeacherCacheStatus(
            path: identity.teacherCachePath ?? FilePath.join(path, RunFolder.Name.teacherCache))
        isRunning = FolderLock.isHeld(path: FilePath.join(path, RunFolder.Name.lock))
        byteCount = [path, folder].reduce(0) { sum, folder in
            FilePath.names(in: folder).reduce(sum) { sum, name in
                sum + (Self.byteCount(FilePath.join(folder, name)) ?? 0)
            }
        }
    }

    /// Bytes of a regular file; nil for anything else.
    private static func byteCount(_ path: String) -> Int? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }
}
