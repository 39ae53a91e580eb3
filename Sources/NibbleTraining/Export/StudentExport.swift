internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleQuantization
internal import NibbleTensor

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

    /// Writes the student as `exporter` has it.
    func write(
        to output: String, exporter: any CheckpointExporter, threads: Int, version: String,
        progress: @escaping @Sendable (ConversionProgress) -> Void,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws -> ConversionSummary {
        let source = student.checkpoint
        let type = recipe.quantization.type.exported(by: exporter, as: folderType)
        let plan =
            type == recipe.quantization.type
            ? try recipe.quantization.plan() : QuantizationPlan(type)
        var request = ConversionRequest(
            input: source.path, output: output, exporter: exporter, plan: plan, threads: threads)
        request.replacesOutput = replacesOutput
        request.replacements = student.replacements
        request.level = student.compute.level
        request.provenance = provenance(version: version)
        return try Converter(request, source: source).run(progress: progress, isCancelled: isCancelled)
    }

    /// Only what is true of these very weights: their perplexity is left out where it was not measured.
    private func provenance(version: String) -> Provenance {
        var perplexities: [String: Double] = [:]
        if let rounded = state.rounded {
            perplexities["teacher"] = rounded.teacherPerplexity
            perplexities["rounded"] = rounded.perplexity
        }
        if let calibrated = state.calibrated { perplexities["calibrated"] = calibrated.perplexity }
        if state.step > 0, let measured = state.measured { perplexities["trained"] = measured.perplexity }
        return Provenance(
            teacherName: FilePath.name(of: identity.teacherPath),
            teacherDigest: identity.teacherDigest, plan: recipe.quantization.type.rawValue,
            recipeDigest: identity.recipeDigest, textDigest: identity.textDigest,
            steps: state.step,
            tokens: state.step * recipe.train.sequencesPerStep * recipe.train.sequenceLength,
            seed: recipe.train.seed, nibbleVersion: version, perplexities: perplexities,
            heldOutTextDigest: perplexities.isEmpty ? nil : identity.heldOutDigest,
            calibration: state.calibration)
    }
}

extension QuantizationType {
    /// The type of an export: in a folder `folderType`, or where that is nil the type trained for if it holds it,
    /// else F32, which holds its values; elsewhere the type trained for.
    func exported(by exporter: any CheckpointExporter, as folderType: QuantizationType?) -> QuantizationType {
        guard exporter.fileEnding == nil else { return self }
        return folderType ?? ((try? exporter.check(self, output: "")) == nil ? .f32 : self)
    }
}

extension Student {
    /// What is written in the place of the teacher's tensors.
    var replacements: [TensorRole: ReplacementTensor] {
        var result: [TensorRole: ReplacementTensor] = [:]
        for matrix in matrices {
            result[matrix.role] = .encoded(
                EncodedTensor(
                    rows: matrix.rows, columns: matrix.columns, format: matrix.quantizer.format,
                    bytes: matrix.blocks, owner: matrix))
        }
        for vector in vectors { result[vector.role] = .vector(vector.values) }
        return result
    }
}
