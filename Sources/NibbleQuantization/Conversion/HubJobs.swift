internal import NibbleCheckpoint
internal import NibbleNumerics

/// Decides the tensors of a hub folder.
struct HubJobs {
    private let request: ConversionRequest
    private let model: ModelCheckpoint
    private let replacements: Replacements

    init(_ request: ConversionRequest, _ model: ModelCheckpoint) {
        self.request = request
        self.model = model
        replacements = Replacements(request, model)
    }

    /// The tensors, outside of blocks first, then block by block, names in alphabetical order.
    func jobs(_ plan: ResolvedPlan) throws(CheckpointError) -> [TensorJob] {
        var jobs: [TensorJob] = []
        for tensor in plan.tensors where !tensor.role.isRotary {
            guard case .stored(let entry) = tensor.source else { continue }
            if let type = request.plan.type.format.ggmlType {
                jobs.append(try job(for: tensor.role, entry, type: type))
            } else {
                jobs += try quantizedJobs(for: tensor, entry)
            }
        }
        return jobs.sorted { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
    }

    /// The tensors that hold a matrix, or what else it is, in a format that GGUF lacks.
    private func quantizedJobs(
        for tensor: PlannedTensor, _ entry: TensorEntry
    ) throws(CheckpointError) -> [TensorJob] {
        if let type = tensor.format.ggmlType {
            var kept = try job(for: tensor.role, entry, type: type)
            kept.reason = tensor.reason
            try replacements.checkFormat(kept)
            return [kept]
        }
        // The values that SFP8 has are BF16's.
        let job = try job(for: tensor.role, entry, type: .bf16)
        let matrix = PackedMatrix(format: tensor.format, rows: job.rows, columns: job.columns)
        return try matrix.parts.map { part throws(CheckpointError) in
            var result = job
            result.name += matrix.suffix(part)
            result.shape = matrix.shape(part)
            result.type = matrix.type(part)
            result.reason = tensor.reason
            result.packing = .init(matrix: matrix, part: part)
            try replacements.checkFormat(result)
            return result
        }
    }

    private func job(
        for role: TensorRole, _ entry: TensorEntry, type: GGMLType
    ) throws(CheckpointError) -> TensorJob {
        guard let name = NamingScheme.hub.name(of: role, in: model.configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "the hub has no name for \(role)")
        }
        var job = TensorJob(
            name: name, role: role, shape: entry.shape, type: type, reason: .defaultType,
            source: .stored(entry),
            transform: model.transform(of: role, to: .hub, rows: entry.shape.first ?? 1))
        job.dithers = request.ditherSeed != nil && entry.type.isQuantized
        let isReplaced = try replacements.apply(to: &job, entry: entry)
        if !isReplaced, !replacements.isEmpty {
            // What was not trained is to be quantized later as it would be from the source.
            job.type = entry.type.inFolder
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
