internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Computes a teacher's probabilities for the sequences of a text and writes them to a ``TeacherCache``.
///
/// The file is written beside its place and renamed; a build that was stopped or killed goes on where it was, to the
/// same bytes, which do not depend on the number of threads.
struct TeacherCacheBuilder: Sendable {
    /// The unquantized model.
    let teacher: LanguageModel
    /// What the cache is made for.
    let identity: TeacherCacheIdentity

    /// Creates a builder.
    init(_ teacher: LanguageModel, identity: TeacherCacheIdentity) {
        precondition(
            teacher.vocabularySize == identity.vocabularySize,
            "vocabularies of \(teacher.vocabularySize) and \(identity.vocabularySize) tokens")
        precondition(
            (1...teacher.vocabularySize).contains(identity.top),
            "top \(identity.top) of a vocabulary of \(teacher.vocabularySize)")
        self.teacher = teacher
        self.identity = identity
    }

    /// Sequences that are computed together.
    var group: Int { Calibrator.sequencesAtATime(length: identity.sequenceLength) }

    /// Opens the cache at `path`; writes it first where it is not there.
    ///
    /// - Parameters:
    ///   - sequence: the tokens of block number `index`.
    ///   - progress: called with the blocks that are there, after every group of them.
    ///   - isCancelled: asked before every group.
    /// - Throws: `TrainingError`: `cancelled`, or `diverged` where the teacher gives NaN or infinity; `CheckpointError`
    ///   where it cannot be read or written; `inconsistent` where the file, or what was begun of it, belongs to something
    ///   else.
    func open(
        path: String, sequence: (_ index: Int) -> [Int32], progress: (Int) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> TeacherCache {
        if !FilePath.exists(path) {
            // A cache outside of a run folder may be wanted by two runs.
            let lock = try FolderLock(path: path + ".lock")
            if !FilePath.exists(path) {
                try write(path: path, sequence: sequence, progress: progress, isCancelled: isCancelled)
            }
            withExtendedLifetime(lock) {}
        }
        return try TeacherCache(path: path, expecting: identity)
    }

    private func write(
        path: String, sequence: (_ index: Int) -> [Int32], progress: (Int) -> Void, isCancelled: () -> Bool
    ) throws {
        var writer = try BlockFileWriter(path: path, header: identity.header, group: group)
        while writer.count < identity.sequenceCount {
            progress(writer.count)
            guard !isCancelled() else {
                throw TrainingError(
                    .cancelled, path,
                    "was stopped after \(writer.count) of \(identity.sequenceCount) sequences",
                    advice: "the next run goes on from there")
            }
            let indices = writer.count..<min(writer.count + group, identity.sequenceCount)
            let found = try probabilities(of: indices.map(sequence))
            for start in stride(from: 0, to: found.count, by: identity.sequenceLength) {
                try writer.append(TeacherCache.encode(found[start..<start + identity.sequenceLength]))
            }
        }
        progress(writer.count)
        try writer.commit()
    }

    /// The probabilities of all tokens of some sequences, one after the other.
    private func probabilities(of sequences: [[Int32]]) throws -> TeacherProbabilities {
        do throws(ModelError) {
            let stream = try teacher.residual(sequences)
            let states = teacher.finalStates(stream, positions: 0..<identity.sequenceLength)
            if let found = teacher.compute.topProbabilities(
                states, head: teacher.vocabularyMatrix, softcap: teacher.finalLogitSoftcap,
                temperature: identity.temperature, top: identity.top)
            {
                return found
            }
            try teacher.findNonFinite(sequences)
            throw teacher.nonFiniteHead
        } catch {
            throw error.checkpointError
        }
    }
}
