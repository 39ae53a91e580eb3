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
        let type = request.plan.type.defaultType
        guard !type.isQuantized else {
            throw CheckpointError(
                .invalidRequest, path: request.output, "safetensors cannot hold \(type)",
                advice: "use --type bf16, f16 or f32, or an output that ends in .gguf")
        }
        guard request.importance == nil else {
            throw CheckpointError(
                .invalidRequest, path: request.output, "an importance matrix has no effect on \(type)",
                advice: "leave --imatrix out")
        }
        var jobs: [TensorJob] = []
        for tensor in model.tensors where tensor.role.kind != .ropeFrequencies {
            jobs.append(try job(for: tensor, type: type))
        }
        return jobs.sorted { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
    }

    private func job(
        for tensor: ModelCheckpoint.Tensor, type: GGMLType
    ) throws(CheckpointError) -> TensorJob {
        guard let name = NamingScheme.hub.name(of: tensor.role, in: configuration.architecture) else {
            throw CheckpointError(.unsupported, path: model.path, "the hub has no name for \(tensor.role)")
        }
        var job = TensorJob(
            name: name, role: tensor.role, shape: tensor.entry.shape, type: type, reason: .defaultType,
            source: .stored(tensor.entry), transform: .identity)
        job.dithers = request.ditherSeed != nil && tensor.entry.type.isQuantized
        if case .gguf = model.source {
            job.transform = configuration.transform(of: tensor.role).toHub(
                rows: tensor.entry.shape.first ?? 1)
        }
        if try !replacements.apply(to: &job, entry: tensor.entry), !replacements.isEmpty {
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
        var offset: Float = 0
        if case .add(let constant) = job.transform { offset = constant }
        let values: [Float] =
            switch job.source {
            case .stored(let entry): try entry.floats()
            case .computed(let values): values
            // Rows of one element after the other, as a matrix of one row.
            case .encoded: []
            }
        for value in values {
            let value = value + offset
            let isExact = job.type == .f16 ? Float(Float16(value)) == value : value.bitPattern & 0xFFFF == 0
            if !isExact { return false }
        }
        return true
    }
}

extension GGMLType {
    /// Whether a hub folder holds weights of the type.
    fileprivate var isHubType: Bool { self == .f32 || self == .f16 || self == .bf16 }
}
