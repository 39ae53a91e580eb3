internal import NibbleCheckpoint
internal import NibbleNumerics

/// Decides the tensors of a hub folder.
struct HubJobs {
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

    /// The tensors in the order of the model.
    func jobs() throws(CheckpointError) -> [TensorJob] {
        let plan = request.plan
        try plan.type.checkOutput(request.output)
        guard request.importance == nil else {
            throw CheckpointError(
                .invalidRequest, path: request.output,
                "an importance matrix has no effect on \(plan.type.format)",
                advice: "leave --imatrix out")
        }
        if !plan.type.isGGUF { try plan.checkFolderOptions(path: request.output) }
        var jobs: [TensorJob] = []
        for tensor in model.tensors where !tensor.role.isRotary {
            if let type = plan.type.format.ggmlType {
                jobs.append(try job(for: tensor, type: type))
            } else {
                jobs += try quantizedJobs(for: tensor)
            }
        }
        return jobs.sorted { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
    }

    /// The tensors that hold a matrix, or what else it is, in a format that GGUF lacks.
    private func quantizedJobs(for tensor: ModelCheckpoint.Tensor) throws(CheckpointError) -> [TensorJob] {
        let (format, reason) = try request.plan.folderFormat(of: tensor, path: model.path)
        if let type = format.ggmlType {
            var kept = try job(for: tensor, type: type)
            kept.reason = reason
            if case .encoded = kept.source { try replacements.checkFormat(kept) }
            return [kept]
        }
        // The values that SFP8 has are BF16's.
        let job = try job(for: tensor, type: .bf16)
        let matrix = PackedMatrix(format: format, rows: job.rows, columns: job.columns)
        return try matrix.parts.map { part throws(CheckpointError) in
            var result = job
            result.name += matrix.suffix(part)
            result.shape = matrix.shape(part)
            result.type = matrix.type(part)
            result.reason = reason
            result.packing = .init(matrix: matrix, part: part)
            try replacements.checkFormat(result)
            return result
        }
    }

    private func job(
        for tensor: ModelCheckpoint.Tensor, type: GGMLType
    ) throws(CheckpointError) -> TensorJob {
        guard let name = NamingScheme.hub.name(of: tensor.role, in: configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "the hub has no name for \(tensor.role)")
        }
        var job = TensorJob(
            name: name, role: tensor.role, shape: tensor.entry.shape, type: type, reason: .defaultType,
            source: .stored(tensor.entry),
            transform: model.transform(of: tensor.role, to: .hub, rows: tensor.entry.shape.first ?? 1))
        job.dithers = request.ditherSeed != nil && tensor.entry.type.isQuantized
        let isReplaced = try replacements.apply(to: &job, entry: tensor.entry)
        if !isReplaced, !replacements.isEmpty {
            // What was not trained is to be quantized later as it would be from the source.
            job.type = tensor.entry.type.isHubType ? tensor.entry.type : .f32
            job.reason = .kept
        }
        if job.shape.count == 1, try !isExact(job) {
            // A norm that the type cannot hold stays F32: a few kilobytes that make the way back exact.
            job.type = .f32
            job.reason = .kept
        }
        return job
    }

    /// Whether every value of a vector survives being stored as the type of its job.
    private func isExact(_ job: TensorJob) throws(CheckpointError) -> Bool {
        guard job.type != .f32 else { return true }
        let values: [Float] =
            switch job.source {
            case .stored(let entry): try entry.floats()
            case .computed(let values): values
            // Rows of one element after the other, as a matrix of one row.
            case .encoded: []
            }
        for value in values {
            let value = value + job.transform.addend
            let isExact = job.type == .f16 ? Float(Float16(value)) == value : value.bitPattern & 0xFFFF == 0
            if !isExact { return false }
        }
        return true
    }
}
