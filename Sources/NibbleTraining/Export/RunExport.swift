internal import NibbleCheckpoint
internal import NibbleModel
public import NibbleQuantization
internal import NibbleTensor

/// Writes what a run trained: a GGUF file, or for types that GGUF lacks a hub folder, whose codes and scales are those
/// trained on, bit for bit; or a hub folder whose weights lie on their grid.
///
/// ```swift
/// try RunExport(path: "run").write(to: "gemma.qat.gguf", threads: 2, version: "0.3.0")
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
    /// where that is one of `QuantizationType.folderTypes`, else `.f32`.
    public var folderType: QuantizationType?
    /// Whether an existing output may be replaced.
    public var replacesOutput = false

    /// The newest state of the run at `path`.
    public init(path: String) { self.path = path }

    /// Writes a GGUF file where `output` ends in `.gguf`, else a hub folder.
    ///
    /// - Throws: `TrainingError` (`mismatch`) where the teacher is another or the state is gone; `CheckpointError`
    ///   where a file cannot be read or written.
    @discardableResult
    public func write(
        to output: String, threads: Int, version: String,
        progress: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> ConversionSummary {
        let status = try RunStatus(path: path)
        let recipePath = FilePath.join(path, RunFolder.Name.recipe)
        let recipe = try Recipe(path: recipePath)
        let trained = recipe.quantization.type
        if output.hasSuffix(".gguf") { try trained.checkOutput(output) }
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
        var options = try StudentOptions(recipe, for: checkpoint)
        // The start is replaced by what was saved, but for weights of which only the scales were trained.
        if !options.freezesWeights { options.dithering = .never }
        let compute = Compute(threads: threads, precision: .f32)
        let student = try Student(checkpoint, options: options, compute: compute)
        let saved = try SavedCheckpoint(path: try savedPath(status))
        let state = try TrainingState(saved, into: student)
        var request = ConversionRequest(input: source, output: output, plan: options.plan, threads: threads)
        if request.outputScheme == .hub {
            request.plan = QuantizationPlan(folderType ?? (trained.isGGUF ? .f32 : trained))
        }
        request.replacesOutput = replacesOutput
        request.replacements = student.replacements
        request.provenance = provenance(status, state, recipe, version: version)
        return try Converter(request).run(progress: progress, isCancelled: isCancelled)
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
            guard let last = status.checkpoints.map(\.step).max() else {
                throw TrainingError(
                    .mismatch, self.path, "has saved no state yet",
                    advice: "train until the first checkpoint (checkpoints.every)")
            }
            return path(last)
        }
    }

    private func provenance(
        _ status: RunStatus, _ state: TrainingState, _ recipe: Recipe, version: String
    ) -> Provenance {
        var perplexities: [String: Double] = [:]
        if let start = state.start {
            perplexities["teacher"] = start.teacherPerplexity
            perplexities["rounded"] = start.perplexity
        }
        if let heldOut = state.heldOut { perplexities["trained"] = heldOut.perplexity }
        return Provenance(
            teacherName: FilePath.name(of: status.identity.teacherPath),
            teacherDigest: status.identity.teacherDigest, plan: recipe.quantization.type.rawValue,
            recipeDigest: status.identity.recipeDigest, textDigest: status.identity.textDigest,
            steps: state.step,
            tokens: state.step * recipe.train.sequencesPerStep * recipe.train.sequenceLength,
            seed: recipe.train.seed, nibbleVersion: version, perplexities: perplexities,
            heldOutTextDigest: perplexities.isEmpty ? nil : status.identity.heldOutDigest)
    }
}

extension Student {
    /// What is written in the place of the teacher's tensors.
    var replacements: [TensorRole: ReplacementTensor] {
        var result: [TensorRole: ReplacementTensor] = [:]
        let formats = Dictionary(assignments.map { ($0.role, $0.format) }) { first, _ in first }
        for matrix in matrices {
            guard let format = formats[matrix.role] else { continue }
            result[matrix.role] = .encoded(
                EncodedTensor(
                    rows: matrix.rows, columns: matrix.columns, format: format, bytes: matrix.blocks,
                    owner: matrix))
        }
        for vector in vectors { result[vector.role] = .vector(vector.values) }
        return result
    }
}
