internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization

/// Writes a student that is in one of the states of its run.
struct StudentExport {
    let student: Student
    /// The state that the student is in.
    let state: TrainingState
    let identity: RunIdentity
    let recipe: Recipe
    /// Element type of trained matrices in a hub folder; nil: the run's own where it belongs in one, else F32.
    var folderType: QuantizationType?
    /// Whether an existing output may be replaced.
    var replacesOutput = false

    /// Writes a GGUF file where `output` ends in `.gguf`, else a hub folder.
    func write(
        to output: String, threads: Int, version: String,
        progress: @escaping @Sendable (ConversionProgress) -> Void,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws(CheckpointError) -> ConversionSummary {
        let trained = recipe.quantization.type
        let source = student.checkpoint
        var request = ConversionRequest(
            input: source.path, output: output, plan: student.options.plan, threads: threads)
        if request.outputScheme == .hub {
            request.plan = QuantizationPlan(folderType ?? (trained.isGGUF ? .f32 : trained))
        }
        request.replacesOutput = replacesOutput
        request.replacements = student.replacements
        request.provenance = provenance(version: version)
        return try Converter(request, source: source).run(progress: progress, isCancelled: isCancelled)
    }

    private func provenance(version: String) -> Provenance {
        var perplexities: [String: Double] = [:]
        if let start = state.start {
            perplexities["teacher"] = start.teacherPerplexity
            perplexities["rounded"] = start.perplexity
        }
        if let heldOut = state.heldOut { perplexities["trained"] = heldOut.perplexity }
        return Provenance(
            teacherName: FilePath.name(of: identity.teacherPath),
            teacherDigest: identity.teacherDigest, plan: recipe.quantization.type.rawValue,
            recipeDigest: identity.recipeDigest, textDigest: identity.textDigest,
            steps: state.step,
            tokens: state.step * recipe.train.sequencesPerStep * recipe.train.sequenceLength,
            seed: recipe.train.seed, nibbleVersion: version, perplexities: perplexities,
            heldOutTextDigest: perplexities.isEmpty ? nil : identity.heldOutDigest)
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
