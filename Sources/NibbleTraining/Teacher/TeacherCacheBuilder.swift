internal import NibbleCalibration
internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

/// Computes a teacher's probabilities for the sequences of a text and writes them to a ``TeacherCache``.
///
/// Sequences pass through the teacher a block at a time, as many as their residual streams fit a sixteenth of its weights: each
/// weight is read once for all of them, so that a teacher whose file does not fit memory is read seldom.
///
/// The file is written beside its place and renamed; a build that was stopped or killed goes on where it was, to the
/// same bytes, which do not depend on the number of threads.
struct TeacherCacheBuilder: Sendable {
    /// The unquantized model.
    let teacher: LanguageModel
    /// What the cache is made for.
    let identity: TeacherCacheIdentity
    /// Bytes of residual streams that are held.
    private let streamBytes: Int

    /// Residual streams as a part of the teacher's weights. With the 48,000 tokens that this is for 4B, two cores multiply 160
    /// times as long as a disk of 1 GB/s reads.
    private static let streamShare = 16
    private static let leastStreamBytes = 64 << 20

    /// Creates a builder.
    ///
    /// - Parameter streamBytes: of residual streams that are held; nil: a sixteenth of the teacher's weights, 64 MiB or more.
    init(_ teacher: LanguageModel, identity: TeacherCacheIdentity, streamBytes: Int? = nil) {
        precondition(
            teacher.vocabularySize == identity.vocabularySize,
            "vocabularies of \(teacher.vocabularySize) and \(identity.vocabularySize) tokens")
        precondition(
            (1...teacher.vocabularySize).contains(identity.top),
            "top \(identity.top) of a vocabulary of \(teacher.vocabularySize)")
        self.teacher = teacher
        self.identity = identity
        self.streamBytes = streamBytes ?? max(Self.leastStreamBytes, teacher.weightBytes / Self.streamShare)
    }

    /// Sequences that are computed together.
    var group: Int { Calibrator.sequencesAtATime(length: identity.sequenceLength) }

    /// Sequences whose residual streams are held: whole groups.
    private var span: Int {
        let bytes = StreamStore.byteCount(
            features: teacher.configuration.embeddingLength, length: identity.sequenceLength, teacher.compute)
        return max(1, streamBytes / (group * bytes)) * group
    }

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
            let first = writer.count
            var written = first
            let sequences = (first..<min(first + span, identity.sequenceCount)).map(sequence)
            func tick(_ part: Double) throws {
                progress(first + Int(Double(sequences.count) * part))
                guard !isCancelled() else {
                    throw TrainingError(
                        .cancelled, path,
                        "was stopped after \(written) of \(identity.sequenceCount) sequences",
                        advice: "the next run goes on from there")
                }
            }
            let streams = try pass(sequences) { try tick($0 * bodyShare) }
            for batch in batches(of: sequences.count) {
                let found = try probabilities(of: Array(sequences[batch]), streams.read(batch))
                for start in stride(from: 0, to: found.count, by: identity.sequenceLength) {
                    try writer.append(TeacherCache.encode(found[start..<start + identity.sequenceLength]))
                }
                written = writer.count
                let part = Double(batch.upperBound) / Double(sequences.count)
                if written < identity.sequenceCount { try tick(bodyShare + (1 - bodyShare) * part) }
            }
        }
        progress(writer.count)
        try writer.commit()
    }

    /// The part of the work that comes before the vocabulary head.
    private var bodyShare: Double {
        let head = teacher.vocabularyMatrix.rows * teacher.vocabularyMatrix.columns
        return Double(teacher.parameterCount - head) / Double(teacher.parameterCount)
    }

    /// Groups of some sequences.
    private func batches(of count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: group).map { $0..<min($0 + group, count) }
    }

    /// The residual streams of some sequences behind the last block.
    ///
    /// - Parameter tick: called before each block, and behind the last, with the part that is done.
    private func pass(_ sequences: [[Int32]], tick: (Double) throws -> Void) throws -> StreamStore {
        let streams = StreamStore(
            features: teacher.configuration.embeddingLength, length: identity.sequenceLength,
            sequences: sequences.count, levels: 1, compute: teacher.compute)
        let (groups, layers) = (batches(of: sequences.count), teacher.configuration.layerCount)
        for batch in groups {
            let stream = try CheckpointError.of { () throws(ModelError) in
                try teacher.embed(Array(sequences[batch]))
            }
            try streams.write(stream, first: batch.lowerBound)
        }
        for layer in 0..<layers {
            try tick(Double(layer) / Double(layers))
            for batch in groups {
                try streams.write(
                    teacher.advance(try streams.read(batch), through: layer), first: batch.lowerBound)
            }
        }
        try tick(1)
        return streams
    }

    /// The probabilities of all tokens of some sequences, one after the other.
    ///
    /// - Parameter stream: theirs, behind the last block.
    private func probabilities(of sequences: [[Int32]], _ stream: Tensor) throws -> TeacherProbabilities {
        do throws(ModelError) {
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
