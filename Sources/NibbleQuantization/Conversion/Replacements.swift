internal import NibbleCheckpoint
internal import NibbleNumerics

/// Puts what a request replaces in the place of the source's tensors.
struct Replacements {
    private let request: ConversionRequest
    private let model: ModelCheckpoint

    init(_ request: ConversionRequest, _ model: ModelCheckpoint) {
        self.request = request
        self.model = model
    }

    var isEmpty: Bool { request.replacements.isEmpty }

    /// Throws where a replacement is for a tensor that the source does not have.
    func checkRoles() throws(CheckpointError) {
        let present = Set(model.tensors.map(\.role))
        let unknown = request.replacements.keys.filter { !present.contains($0) }.map(name).min()
        guard let unknown else { return }
        throw CheckpointError(
            .inconsistent, path: model.path, subject: "tensor '\(unknown)'",
            "is to be replaced, and the source has no such tensor",
            advice: "export onto the checkpoint that was trained")
    }

    /// Gives `job`, made for `entry` of the source, the values of its replacement, if there is one.
    ///
    /// - Returns: whether there is one.
    func apply(to job: inout TensorJob, entry: TensorEntry) throws(CheckpointError) -> Bool {
        switch request.replacements[job.role] {
        case nil: return false
        case .encoded(let tensor): try apply(tensor, to: &job, entry: entry)
        case .vector(let values): try apply(values, to: &job)
        }
        job.dithers = false
        return true
    }

    private func apply(
        _ tensor: EncodedTensor, to job: inout TensorJob, entry: TensorEntry
    ) throws(CheckpointError) {
        if job.role.kind.isNorm {
            throw mismatch(job, "is to be replaced by encoded rows, and is a norm", "give its values")
        }
        // Rows beyond the vocabulary, which pad the source, are there or not.
        let rowCounts = Set([job.rows, entry.rows] + paddedRows(job))
        guard tensor.columns == job.columns, rowCounts.contains(tensor.rows) else {
            throw mismatch(
                job, "has shape \(job.shape), its replacement is [\(tensor.rows), \(tensor.columns)]",
                "export onto the checkpoint that was trained")
        }
        if job.shape.count == 2, tensor.rows < job.rows { job.shape[0] = tensor.rows }
        job.source = .encoded(tensor)
    }

    /// The rows without padding of a matrix whose rows are tokens.
    private func paddedRows(_ job: TensorJob) -> [Int] {
        guard job.role.isVocabulary else { return [] }
        return model.configuration.shape(of: job.role)?.prefix(1).map { $0 } ?? []
    }

    private func apply(_ values: [Float], to job: inout TensorJob) throws(CheckpointError) {
        guard job.shape == [values.count] else {
            throw mismatch(
                job, "has shape \(job.shape), its replacement is [\(values.count)]",
                "export onto the checkpoint that was trained")
        }
        job.source = .computed(values)
        job.type = .f32
        job.transform = model.transform(
            of: job.role, to: request.outputScheme, rows: values.count, isInMemory: true)
    }

    /// Throws where the bytes of a replacement are not of the format that `job` was planned to have.
    func checkFormat(_ job: TensorJob) throws(CheckpointError) {
        guard case .encoded(let tensor) = job.source, tensor.format != job.format else { return }
        throw mismatch(
            job,
            "is to become \(job.format) by the plan \(request.plan.type.rawValue), and its replacement is "
                + "encoded as \(tensor.format)",
            "export with the plan that was trained with")
    }

    private func mismatch(_ job: TensorJob, _ problem: String, _ advice: String) -> CheckpointError {
        CheckpointError(
            .inconsistent, path: model.path, subject: "tensor '\(job.name)'", problem, advice: advice)
    }

    private func name(_ role: TensorRole) -> String {
        model.source.scheme.name(of: role, in: model.configuration.architecture)
            ?? "\(role.kind.rawValue), block \(role.layer.map(String.init) ?? "none"), \(role.part.rawValue)"
    }
}

extension ModelCheckpoint {
    /// What has to be done to the stored values of a tensor, or to those of the model in memory, for another scheme.
    func transform(
        of role: TensorRole, to scheme: NamingScheme, rows: Int, isInMemory: Bool = false
    ) -> ValueTransform {
        var convention = source.scheme.convention(of: role, in: configuration)
        if isInMemory { convention.offset = 0 }
        return ValueTransform(
            from: convention, to: scheme.convention(of: role, in: configuration), rows: rows)
    }
}
