internal import NibbleCheckpoint
internal import NibbleNumerics

/// Decides the tensors of a GGUF output.
struct GGUFJobs {
    private let request: ConversionRequest
    private let model: ModelCheckpoint
    private let replacements: Replacements

    init(_ request: ConversionRequest, _ model: ModelCheckpoint) {
        self.request = request
        self.model = model
        replacements = Replacements(request, model)
    }

    /// The tensors in the order of the plan.
    func jobs(_ plan: ResolvedPlan) throws(CheckpointError) -> [TensorJob] {
        try plan.tensors.map { tensor throws(CheckpointError) in
            var job = TensorJob(
                name: tensor.name, role: tensor.role, shape: tensor.shape,
                type: tensor.format.ggmlType ?? .f32, reason: tensor.reason, source: tensor.source,
                transform: .init(from: .init(), to: .init(), rows: 1))
            if case .stored(let entry) = tensor.source {
                job.transform = model.transform(of: tensor.role, to: .gguf, rows: entry.shape.first ?? 1)
                job.dithers = request.ditherSeed != nil && entry.type.isQuantized
                _ = try replacements.apply(to: &job, entry: entry)
            }
            try replacements.checkFormat(job)
            job.importance = try importance(for: job)
            return job
        }
    }

    private func importance(for job: TensorJob) throws(CheckpointError) -> [Float]? {
        guard let importance = request.importance, job.reason != .kept, .ggml(job.type) != job.sourceFormat
        else {
            return nil
        }
        return try importance.weights(
            for: job.name, columns: job.columns, isEmbedding: job.role.kind == .tokenEmbedding)
    }
}
