internal import NibbleCheckpoint
internal import NibbleModel
public import NibbleQuantization
internal import NibbleTensor

extension TrainingRun {
    /// Writes what training came to: its last state, or the best where held-out text got no better.
    ///
    /// The bytes are those of ``RunExport``, which writes any state of any run folder. Here teacher and state are in
    /// memory, and only the best state is read again where it is not the last; the student is in it afterwards.
    ///
    /// - Parameters:
    ///   - exporter: the form of the output.
    ///   - folderType: element type of trained matrices in a hub folder: `.f32` or `.f16`, which hold Q4_0's values
    ///     exactly; nil: the run's own where `exporter` holds that, else `.f32`.
    ///   - replacesOutput: whether an existing output may be replaced.
    /// - Throws: `TrainingError` (`mismatch`) where no state was saved yet, or training ended in an error after one was;
    ///   `CheckpointError` where a file cannot be read or written.
    @discardableResult
    public func export(
        to output: String, exporter: any CheckpointExporter, folderType: QuantizationType? = nil,
        replacesOutput: Bool = false,
        progress: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> ConversionSummary {
        let (state, folder) = (session.state, session.folder)
        guard let saved = session.savedStep else { throw RunExport.noState(folder.path) }
        guard !isBetweenStates else {
            throw TrainingError(
                .mismatch, folder.path, "has weights in memory that are those of no saved state",
                advice: "export the state of step \(saved) from the folder")
        }
        var exported = state
        if state.stoppedEarly, let best = state.best, best.step != state.step {
            exported = try TrainingState(
                SavedCheckpoint(path: folder.checkpointPath(best.step)), into: student)
        }
        teacher.compute.pool.releaseIdle()
        let export = StudentExport(
            student: student, state: exported, identity: folder.identity, recipe: recipe,
            folderType: folderType, replacesOutput: replacesOutput)
        return try export.write(
            to: output, exporter: exporter, threads: request.threads, version: request.version,
            progress: progress, isCancelled: isCancelled)
    }

    /// Most bytes that this process had resident so far, mapped files included.
    public var peakResidentBytes: Int { ProcessMemory.peakResidentBytes }
}
