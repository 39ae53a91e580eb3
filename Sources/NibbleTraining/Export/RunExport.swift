internal import NibbleCheckpoint
internal import NibbleModel
public import NibbleNumerics
public import NibbleQuantization
internal import NibbleTensor

/// Writes what a run trained: a GGUF file, or for types that GGUF lacks a hub folder, whose codes and scales are those
/// trained on, bit for bit; or a hub folder whose weights lie on their grid.
///
/// ```swift
/// try RunExport(path: "run").write(
///     to: "gemma.qat.gguf", exporter: CheckpointExporters.gguf, threads: 2, version: "0.2.0")
/// ```
public struct RunExport: Sendable {
    /// Which of the saved states.
    public enum State: Sendable, Equatable {
        /// The newest.
        case last
        /// The one with the smallest divergence on held-out text; the newest where nothing was evaluated.
        case best
        /// That of a step, where it is still there.
        case step(Int)
    }

    /// The run folder.
    public var path: String
    /// Which state.
    public var state = State.last
    /// Where the teacher is now; nil: where it was.
    public var teacher: String?
    /// Type of trained matrices in a hub folder: `.f32` or `.f16`, which hold Q4_0's values exactly; nil: the run's own
    /// where the exporter holds that, else `.f32`.
    public var folderType: QuantizationType?
    /// Whether an existing output may be replaced.
    public var replacesOutput = false
    /// The instruction level of the kernels.
    public var level = KernelLevel.best

    /// The newest state of the run at `path`.
    public init(path: String) { self.path = path }

    /// Writes the state as `exporter` has it.
    ///
    /// - Throws: `TrainingError` (`mismatch`) where the teacher is another or the state is gone; `CheckpointError`
    ///   where a file cannot be read or written.
    @discardableResult
    public func write(
        to output: String, exporter: any CheckpointExporter, threads: Int, version: String,
        progress: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> ConversionSummary {
        let status = try RunStatus(path: path)
        let recipePath = FilePath.join(path, RunFolder.Name.recipe)
        var recipe = try Recipe(path: recipePath)
        // Before the teacher is read.
        let type = recipe.quantization.type.exported(by: exporter, as: folderType)
        try exporter.check(type, output: output)
        let source = teacher ?? status.identity.teacherPath
        let checkpoint = try ModelCheckpoint(path: source)
        let digest = "\(TeacherDigest(checkpoint, threads: threads))"
        guard digest == status.identity.teacherDigest else {
            throw TrainingError(
                .mismatch, path,
                "was trained toward another teacher (digest \(status.identity.teacherDigest)) than \(source) "
                    + "(\(digest))",
                advice: "name the teacher with --teacher")
        }
        // The weights are replaced by those saved.
        recipe.train.dither = .never
        let student = try Student(
            checkpoint, recipe: recipe, compute: Compute(threads: threads, precision: .f32, level: level))
        let saved = try SavedCheckpoint(path: try savedPath(status))
        let state = try TrainingState(saved, into: student)
        let export = StudentExport(
            student: student, state: state, identity: status.identity, recipe: recipe, folderType: folderType,
            replacesOutput: replacesOutput)
        return try export.write(
            to: output, exporter: exporter, threads: threads, version: version, progress: progress,
            isCancelled: isCancelled)
    }

    private func savedPath(_ status: RunStatus) throws -> String {
        func path(_ step: Int) -> String { RunFolder.checkpointPath(step, in: self.path) }
        switch state {
        case .step(let step):
            guard status.checkpoints.contains(where: { $0.step == step }) else {
                let there = status.checkpoints.map { String($0.step) }.joined(separator: ", ")
                throw TrainingError(
                    .mismatch, self.path,
                    "has no state of step \(step); there: \(there.isEmpty ? "none" : there)",
                    advice: "name one of these, last or best")
            }
            return path(step)
        case .best:
            if let best = status.best { return path(best.step) }
            fallthrough
        case .last:
            guard let last = status.checkpoints.map(\.step).max() else { throw Self.noState(self.path) }
            return path(last)
        }
    }

    /// That nothing can be exported from the run at `path` yet.
    static func noState(_ path: String) -> TrainingError {
        TrainingError(
            .mismatch, path, "has saved no state yet",
            advice: "train until the first checkpoint (checkpoints.every)")
    }
}

extension RunExport {
    /// Checks, before hours of training, that an export may be written at its end.
    ///
    /// - Parameters:
    ///   - output: where it goes.
    ///   - exporter: the form that it will have.
    ///   - run: the run folder, which may not exist yet.
    ///   - teacher: what the export must not replace.
    ///   - replacing: whether what is there already may be replaced.
    /// - Throws: `CheckpointError` where the place cannot be written, or holds what may not be replaced.
    public static func checkPlace(
        _ output: String, exporter: any CheckpointExporter, run: String, teacher: String, replacing: Bool
    ) throws {
        let isTeacher = FileIdentity(path: output).map { $0 == FileIdentity(path: teacher) } ?? false
        if isTeacher || FilePath.lies(teacher, in: output) {
            throw CheckpointError(
                .invalidRequest, path: output, "is the teacher, or holds it; an export cannot replace it",
                advice: "choose another --export")
        }
        let (folder, run) = (FilePath.absolute(FilePath.folder(of: output)), FilePath.absolute(run))
        guard FilePath.absolute(output) != run else {
            throw CheckpointError(
                .invalidRequest, path: output, "is the run folder, which holds more than the export",
                advice: "choose another --export, such as \(FilePath.join(run, "model"))")
        }
        // The run folder itself is made first.
        if folder == run, !FilePath.exists(run) { return }
        try OutputPlace(output, of: exporter).check(replacing: replacing || folder == run)
    }
}
