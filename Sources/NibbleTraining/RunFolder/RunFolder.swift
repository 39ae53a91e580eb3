internal import CLibrary
internal import NibbleCheckpoint

/// What a training run keeps on disk, held by one process at a time.
///
///     recipe.yaml                 the recipe with everything resolved
///     run.json                    what the run is a run of
///     metrics.jsonl               a line of figures a step
///     events.out.tfevents.*       the same for TensorBoard
///     log.txt                     what happened when
///     teacher.cache               probabilities of a cached teacher, see `TeacherCache`
///     self-text.tokens            text that the teacher wrote, see `SelfText`
///     checkpoints/step-00000100.safetensors, ..., best.json
///     calibration/                what calibration has done so far, until the first state is saved
///     lock                        held while a process trains
///
/// The process may be killed at any moment: what is opened next is the last state that was saved whole.
/// To look at a folder that a process trains in, use ``RunStatus``.
final class RunFolder {
    /// The folder.
    let path: String
    /// What the run is a run of.
    let identity: RunIdentity
    /// How many of the newest checkpoints are kept beside the best, 1 or more. With two, damage to the newest costs no
    /// more than one interval.
    var kept = 2
    private let lock: FolderLock

    /// Called after each part of a checkpoint is written, with the bytes so far; tests end the process or fill the disk there.
    package var onWrite: ((Int) -> Void)?

    /// Bytes that are hashed and written at a time.
    static let chunk = 4 << 20

    private init(path: String, identity: RunIdentity, lock: consuming FolderLock) {
        self.path = path
        self.identity = identity
        self.lock = lock
    }

    /// Makes a run folder at `path`, which must not exist, be empty, or hold what a process left that was
    /// killed right here.
    ///
    /// - Parameter recipeYAML: the text of `recipe.yaml`.
    /// - Throws: `TrainingError` (`mismatch`) where the folder holds a run or something else;
    ///   `CheckpointError` where another process has it, or it cannot be written.
    static func create(path: String, identity: RunIdentity, recipeYAML: String) throws -> RunFolder {
        let path = FilePath.trimmingSlashes(path)
        try FilePath.makeFolder(path)
        try checkUnused(path)
        let lock = try FolderLock(path: FilePath.join(path, Name.lock))
        // Another process may have made its run between the look and the lock.
        try checkUnused(path)
        removeLeftovers(path)
        try CheckpointWriter.write(recipeYAML, to: FilePath.join(path, Name.recipe))
        try FilePath.makeFolder(FilePath.join(path, Name.checkpoints))
        // Last, because it is what makes the folder a run.
        try CheckpointWriter.write(identity.json, to: FilePath.join(path, Name.identity))
        return RunFolder(path: path, identity: identity, lock: lock)
    }

    /// Opens the run at `path` and removes what killed processes left half-written.
    ///
    /// - Parameter identity: what the run is to go on as; nil takes what it is.
    /// - Throws: `TrainingError` (`mismatch`) where there is no run, or it was begun with another teacher, text or
    ///   recipe; `CheckpointError` where another process has it, or it cannot be read or is damaged.
    static func open(path: String, expecting identity: RunIdentity? = nil) throws -> RunFolder {
        let path = FilePath.trimmingSlashes(path)
        try checkIsRun(path)
        let lock = try FolderLock(path: FilePath.join(path, Name.lock))
        let found = try RunIdentity(path: FilePath.join(path, Name.identity))
        if let identity {
            var renamed = found
            renamed.recipeDigest = try recipeDigest(path, found.recipeDigest)
            try renamed.check(identity, folder: path)
        }
        removeLeftovers(path)
        return RunFolder(path: path, identity: found, lock: lock)
    }

    /// The digest that the recipe of a run has now, whose text is as it was written: another one than then where fields
    /// were renamed since.
    private static func recipeDigest(_ path: String, _ digest: String) throws -> String {
        let text = try recipeText(path)
        guard SHA256.hex(text.utf8) == digest else { return digest }
        return try Recipe(yaml: text, path: FilePath.join(path, Name.recipe)).digest
    }

    private static func recipeText(_ path: String) throws(CheckpointError) -> String {
        let file = try MappedFile(path: FilePath.join(path, Name.recipe))
        return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
    }

    /// The path of `metrics.jsonl`.
    var metricsPath: String { FilePath.join(path, Name.metrics) }

    /// The path of `log.txt`.
    var logPath: String { FilePath.join(path, Name.log) }

    /// Where the probabilities of a cached teacher are kept.
    var teacherCachePath: String { FilePath.join(path, Name.teacherCache) }

    /// The folder that calibration works in before the first step.
    var calibrationPath: String { FilePath.join(path, Name.calibration) }

    /// The path of the folder of checkpoints.
    var checkpointsPath: String { FilePath.join(path, Name.checkpoints) }

    // MARK: -

    /// Names in the folder.
    enum Name {
        static let recipe = "recipe.yaml"
        static let identity = "run.json"
        static let metrics = "metrics.jsonl"
        static let log = "log.txt"
        static let checkpoints = "checkpoints"
        static let best = "best.json"
        static let lock = "lock"
        static let calibration = "calibration"
        static let teacherCache = "teacher.cache"
        static let selfText = "self-text.tokens"
        /// It has its name for a moment; what a process leaves that is killed then is removed like any leftover.
        static let heldOutStreams = ".held-out.partial-streams"
    }

    /// Whether there is a run at `path`.
    static func isRun(_ path: String) -> Bool { FilePath.exists(FilePath.join(path, Name.identity)) }

    static func checkIsRun(_ path: String) throws {
        guard isRun(path) else {
            throw TrainingError(
                .mismatch, path,
                FilePath.isFolder(path)
                    ? "holds no run (it has no \(Name.identity))" : "is no folder, expected a run",
                advice: "check the path")
        }
    }

    static func checkUnused(_ path: String) throws(TrainingError) {
        let names = FilePath.names(in: path)
        guard !names.contains(Name.identity) else {
            throw TrainingError(
                .mismatch, path, "holds a run already",
                advice: "go on with it (--resume), or begin in another folder")
        }
        // With the lock, and nothing but what is made before a run, the folder is one that it did not
        // come to finish.
        let begun: Set<String> = [
            Name.lock, Name.recipe, Name.checkpoints, Name.selfText, BlockFileWriter.partPath(Name.selfText),
        ]
        let isBegun =
            names.contains(Name.lock) && names.allSatisfy { begun.contains($0) || isLeftover($0) }
            && FilePath.names(in: FilePath.join(path, Name.checkpoints)).isEmpty
        guard names.isEmpty || isBegun else {
            let shown = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "")
            throw TrainingError(
                .mismatch, path, "is not empty and holds no run (\(shown))", advice: "choose another folder")
        }
    }

    /// Whether `name` is that of a file which ``CheckpointWriter`` did not come to rename.
    private static func isLeftover(_ name: String) -> Bool {
        name.hasPrefix(".") && name.contains(".partial-")
    }

    /// Removes files that were not renamed. Whoever has the lock knows that nobody writes them.
    private static func removeLeftovers(_ path: String) {
        for folder in [path, FilePath.join(path, Name.checkpoints)] {
            for name in FilePath.names(in: folder) where isLeftover(name) {
                unlink(FilePath.join(folder, name))
            }
        }
    }
}
