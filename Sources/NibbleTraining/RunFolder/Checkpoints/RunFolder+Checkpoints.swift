internal import CLibrary
internal import NibbleCheckpoint

extension RunFolder {
    /// Saves a training state, then removes all but the best and the newest ``kept``.
    ///
    /// The file is written beside its place, from the tensors' memory without a copy, and renamed when it is
    /// on disk. Tensors with wide elements come first, so that all are aligned when the file is mapped.
    ///
    /// - Parameters:
    ///   - step: optimizer steps done, 0 or more. A checkpoint of the same step is replaced.
    ///   - tensors: names are unique.
    ///   - metadata: free text; names that begin with `nibble.` are taken.
    /// - Throws: `CheckpointError` (`inputOutput`) where the disk is full or refuses; earlier checkpoints are
    ///   then as they were, and nothing is left of the new one.
    func save(
        step: Int, tensors: [SavedTensor], metadata: [String: String] = [:]
    ) throws(CheckpointError) {
        precondition(step >= 0, "step \(step), expected 0 or more")
        precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors have the same name")
        precondition(
            !metadata.keys.contains { $0.hasPrefix("nibble.") }, "metadata names with 'nibble.' are taken")
        let sorted = tensors.enumerated().sorted {
            (-$0.element.element.byteCount, $0.offset) < (-$1.element.element.byteCount, $1.offset)
        }.map(\.element)
        let items = sorted.map(\.item)
        let blank = SavedCheckpoint.header(
            items, step: step, metadata: metadata, checksum: SavedCheckpoint.blankChecksum)
        let writer = try CheckpointWriter(
            .file(path: checkpointPath(step), header: blank.bytes, size: blank.fileSize), replacing: true)
        var hash = XXHash64()
        for (tensor, offset) in zip(sorted, blank.offsets) {
            try write(tensor, at: offset, to: writer, hash: &hash)
        }
        blank.bytes.withUnsafeBytes { hash.update($0) }
        let header = SavedCheckpoint.header(
            items, step: step, metadata: metadata, checksum: hash.hexadecimal)
        precondition(header.bytes.count == blank.bytes.count, "the checksum changed the header's length")
        try header.bytes.span.withUnsafeBytes { bytes throws(CheckpointError) in
            try writer.write(bytes, file: 0, offset: 0)
        }
        try writer.commit(flush: true)
        try removeSuperseded(after: step)
    }

    /// Hashes and writes a part at a time, so that the second finds it in the processor's cache.
    private func write(
        _ tensor: SavedTensor, at offset: Int, to writer: CheckpointWriter, hash: inout XXHash64
    ) throws(CheckpointError) {
        var position = 0
        while position < tensor.bytes.count {
            let end = min(position + Self.chunk, tensor.bytes.count)
            let part = UnsafeRawBufferPointer(rebasing: tensor.bytes[position..<end])
            hash.update(part)
            try writer.write(part, file: 0, offset: offset + position)
            position = end
            onWrite?(offset + position)
        }
    }

    /// Marks the checkpoint of `step`, which was saved, as the best so far.
    ///
    /// - Throws: `CheckpointError`: `missing` where there is no such checkpoint, `inputOutput` where the marker
    ///   cannot be written.
    func markBest(step: Int, value: Double) throws(CheckpointError) {
        precondition(value.isFinite, "step \(step), value \(value)")
        guard FilePath.exists(checkpointPath(step)) else {
            throw CheckpointError(
                .missing, path: checkpointPath(step), "cannot be marked as the best: it does not exist",
                advice: "save the step first")
        }
        try CheckpointWriter.write(BestCheckpoint(step: step, value: value).json, to: bestPath)
    }

    /// The best checkpoint so far; nil where none was marked.
    var best: BestCheckpoint? {
        get throws(CheckpointError) { try BestCheckpoint(path: bestPath) }
    }

    /// The newest checkpoint that is whole; nil where none was saved yet.
    ///
    /// - Parameter warn: told of each newer one that is damaged, in a sentence.
    /// - Throws: `CheckpointError` of the newest where all are damaged: beginning again at step 0 would lose
    ///   the run without a word.
    func latest(warn: (String) -> Void) throws(CheckpointError) -> SavedCheckpoint? {
        var first: CheckpointError?
        for step in Self.savedSteps(checkpointsPath).reversed() {
            do throws(CheckpointError) {
                let checkpoint = try SavedCheckpoint(path: checkpointPath(step))
                guard checkpoint.step == step else {
                    throw CheckpointError(
                        .inconsistent, path: checkpoint.path, "is the checkpoint of step \(checkpoint.step)",
                        advice: "give the file its name back")
                }
                return checkpoint
            } catch {
                if first == nil { first = error }
                warn("a checkpoint cannot be used, going back to the one before: \(error)")
            }
        }
        if let first { throw first }
        return nil
    }

    /// Steps with a checkpoint, ascending; they have not been read.
    var savedSteps: [Int] { Self.savedSteps(checkpointsPath) }

    /// The path of the checkpoint of `step`, which need not exist.
    func checkpointPath(_ step: Int) -> String {
        FilePath.join(checkpointsPath, Self.checkpointName(step))
    }

    /// The path of a step's checkpoint in the run folder at `path`.
    static func checkpointPath(_ step: Int, in path: String) -> String {
        FilePath.join(FilePath.join(path, Name.checkpoints), checkpointName(step))
    }

    // MARK: -

    private var bestPath: String { FilePath.join(checkpointsPath, Name.best) }

    static func checkpointName(_ step: Int) -> String {
        "step-\(Decimals.padded(step, to: 8)).safetensors"
    }

    static func savedSteps(_ folder: String) -> [Int] {
        FilePath.names(in: folder).compactMap { name -> Int? in
            guard name.hasPrefix("step-"), name.hasSuffix(".safetensors"),
                let step = Int(name.dropFirst("step-".count).dropLast(".safetensors".count)), step >= 0,
                checkpointName(step) == name
            else { return nil }
            return step
        }.sorted()
    }

    private func removeSuperseded(after step: Int) throws(CheckpointError) {
        let best = try best
        // Later ones, which a resumed run left behind because they are damaged, are neither counted nor removed: saving
        // the same step again replaces them.
        for old in savedSteps.filter({ $0 <= step }).dropLast(kept) where old != best?.step {
            guard unlink(checkpointPath(old)) == 0 || errno == ENOENT else {
                throw .system("cannot remove the superseded checkpoint", path: checkpointPath(old))
            }
        }
    }
}
