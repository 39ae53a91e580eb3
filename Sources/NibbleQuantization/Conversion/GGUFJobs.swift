internal import NibbleCheckpoint
internal import NibbleNumerics

/// Decides the tensors of a GGUF output.
struct GGUFJobs {
    private let request: ConversionRequest
    private let model: ModelCheckpoint
    private let configuration: ModelConfiguration
    private let replacements: Replacements

    init(_ request: ConversionRequest, _ model: ModelCheckpoint) {
        self.request = request
        self.model = model
        configuration = model.configuration
        replacements = Replacements(request, model)
    }

    /// The tensors in the order of llama-quantize: outside of blocks first, then block by block, names in
    /// alphabetical order.
    func jobs() throws(CheckpointError) -> [TensorJob] {
        try request.plan.type.checkOutput(request.output)
        var jobs: [TensorJob] = []
        for tensor in model.tensors { jobs.append(try job(for: tensor)) }
        if let factors = configuration.llama3FrequencyFactors,
            !jobs.contains(where: { $0.role.kind == .ropeFrequencies })
        {
            jobs.append(try computed(TensorRole(.ropeFrequencies), factors))
        }
        jobs.sort { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
        var plan = request.plan
        plan.usesImportance = request.importance != nil
        let targets = plan.targets(
            for: jobs.map { .init(role: $0.role, name: $0.name, shape: $0.shape, keptType: $0.type) },
            in: configuration)
        for index in jobs.indices {
            jobs[index].type = targets[index].type
            jobs[index].reason = targets[index].reason
            try checkFit(jobs[index])
            try replacements.checkFormat(jobs[index])
            jobs[index].importance = try importance(for: jobs[index])
        }
        return jobs
    }

    private func job(for tensor: ModelCheckpoint.Tensor) throws(CheckpointError) -> TensorJob {
        var job = try sourceJob(for: tensor)
        _ = try replacements.apply(to: &job, entry: tensor.entry)
        return job
    }

    /// The job with the type that the tensor keeps where it is not quantized.
    private func sourceJob(for tensor: ModelCheckpoint.Tensor) throws(CheckpointError) -> TensorJob {
        var job = TensorJob(
            name: try name(of: tensor.role), role: tensor.role, shape: tensor.entry.shape,
            type: tensor.entry.type,
            reason: .kept, source: .stored(tensor.entry),
            transform: model.transform(of: tensor.role, to: .gguf, rows: tensor.entry.shape.first ?? 1))
        job.dithers = request.ditherSeed != nil && tensor.entry.type.isQuantized
        guard case .hub = model.source else { return job }
        // llama.cpp's converter stores vectors and norms as F32 whatever they were.
        job.type = .f32
        if let rows = configuration.shape(of: tensor.role)?.first, job.shape.count == 2, job.shape[0] > rows,
            tensor.role.isVocabulary
        {
            job.shape[0] = rows
        }
        return job
    }

    private func computed(_ role: TensorRole, _ values: [Float]) throws(CheckpointError) -> TensorJob {
        TensorJob(
            name: try name(of: role), role: role, shape: [values.count], type: .f32, reason: .kept,
            source: .computed(values), transform: .init(from: .init(), to: .init(), rows: values.count))
    }

    private func name(of role: TensorRole) throws(CheckpointError) -> String {
        guard let name = NamingScheme.gguf.name(of: role, in: configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "GGUF has no name for \(role)")
        }
        return name
    }

    private func checkFit(_ job: TensorJob) throws(CheckpointError) {
        guard job.columns.isMultiple(of: job.type.blockSize) else {
            var (path, name) = (model.path, job.name)
            if case .stored(let entry) = job.source { (path, name) = (entry.file.path, entry.name) }
            throw CheckpointError(
                .invalidRequest, path: path, subject: "tensor '\(name)'",
                "has rows of \(job.columns) elements, \(job.type) stores blocks of \(job.type.blockSize)",
                advice: "choose another type for it")
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
