public import NibbleCheckpoint
internal import NibbleNumerics

/// Converts a checkpoint as a stream: rows are read from the mapped source, transformed, encoded on all
/// threads, and written at their place.
///
/// Creating a converter opens the source and decides everything, which is what a dry run shows;
/// ``run(progress:isCancelled:)`` does the work. Memory does not grow with the checkpoint.
///
/// ```swift
/// let request = ConversionRequest(
///     input: "gemma-3-270m", output: "gemma.q4_0.gguf", plan: QuantizationPlan(.q4_0), threads: 2)
/// let summary = try Converter(request).run()
/// ```
public struct Converter: Sendable {
    /// What was asked for.
    public let request: ConversionRequest
    /// The source.
    public let model: ModelCheckpoint
    /// What each tensor becomes.
    public let plan: ResolvedPlan
    /// The tensors of the output in order.
    public let jobs: [TensorJob]
    /// The files of the output.
    public let layout: CheckpointLayout
    /// What the user should know of the source before relying on the output: what is left out or made up, and which of
    /// two files that contradict each other counts.
    public let notes: [CheckpointNote]

    /// Opens the source and plans the conversion; nothing is written.
    ///
    /// - Throws: ``CheckpointError`` where the source is damaged or unsupported, or the request does not fit it.
    public init(_ request: ConversionRequest) throws(CheckpointError) {
        try self.init(request, source: ModelCheckpoint(path: request.input))
    }

    /// The same from a source that is open.
    ///
    /// - Parameter source: what is at the input of `request`.
    package init(_ request: ConversionRequest, source: ModelCheckpoint) throws(CheckpointError) {
        self.request = request
        model = source
        try Self.checkPaths(request, model)
        try Replacements(request, model).checkRoles()
        try Self.checkOptions(request)
        var plan = request.plan
        plan.usesImportance = request.importance != nil
        self.plan = try plan.resolve(model)
        var notes = model.notes
        switch request.outputScheme {
        case .gguf:
            jobs = try GGUFJobs(request, model).jobs(self.plan)
            layout = try Self.ggufLayout(request, model, jobs, &notes)
        case .hub:
            jobs = try HubJobs(request, model).jobs(self.plan)
            layout = try Self.hubLayout(request, model, jobs, &notes)
        }
        self.notes = notes
        for job in jobs { try Self.checkCodecs(job, path: model.path) }
    }

    private static func checkPaths(_ request: ConversionRequest, _ model: ModelCheckpoint)
        throws(CheckpointError)
    {
        precondition(request.threads > 0, "threads is \(request.threads), expected at least 1")
        let inputs = (model.files + [request.input]).compactMap(FileIdentity.init)
        if let output = FileIdentity(path: request.output), inputs.contains(output) {
            throw CheckpointError(
                .invalidRequest, path: request.output, "is the input; a conversion cannot replace its source",
                advice: "choose another output")
        }
        try OutputPlace.checkName(request.output)
        if let holder = (model.files + [request.input]).first(where: { FilePath.lies($0, in: request.output) }
        ) {
            throw CheckpointError(
                .invalidRequest, path: request.output,
                "holds the input, \(holder); a conversion cannot replace its source",
                advice: "choose another output")
        }
        if let splitSize = request.splitSize, splitSize <= 0 {
            throw CheckpointError(
                .invalidRequest, path: request.output, "cannot be split into files of \(splitSize) bytes")
        }
    }

    private static func checkOptions(_ request: ConversionRequest) throws(CheckpointError) {
        try request.plan.type.checkOutput(request.output)
        if request.importance != nil, request.outputScheme == .hub {
            throw CheckpointError(
                .invalidRequest, path: request.output,
                "an importance matrix has no effect on \(request.plan.type.format)",
                advice: "leave --imatrix out")
        }
        try request.plan.checkOptions(path: request.output)
    }

    private static func checkCodecs(_ job: TensorJob, path: String) throws(CheckpointError) {
        if case .stored(let entry) = job.source, job.copiesBytes == false, entry.type.codec == nil {
            throw entry.undecodable
        }
        guard job.packing != nil || job.copiesBytes || job.type.codec?.canEncode == true else {
            throw CheckpointError(
                .unsupported, path: path, subject: "tensor '\(job.name)'", "cannot be encoded as \(job.type)")
        }
    }

    private static func ggufLayout(
        _ request: ConversionRequest, _ model: ModelCheckpoint, _ jobs: [TensorJob],
        _ notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        guard let fileType = request.plan.type.fileType else {
            preconditionFailure("\(request.plan.type) was refused with the jobs")
        }
        var metadata: GGUFMetadata
        switch model.source {
        case .gguf(let stored):
            metadata = stored
            notes += Vocabulary.notes(ggufMetadata: stored, path: model.path)
        case .hub(let description):
            metadata = try description.ggufMetadata(
                parameterCount: jobs.reduce(0) { $0 + $1.elementCount }, fileType: fileType, notes: &notes)
            if let provenance = try model.provenance() { metadata.set(provenance) }
        }
        if let provenance = request.provenance { metadata.set(provenance) }
        // llama-quantize sets these anew, which moves them to the end.
        for key in [GGUFKey.quantizationVersion, GGUFKey.fileType] { metadata.remove(key) }
        metadata.set(GGUFKey.quantizationVersion, .uint32(2))
        metadata.set(GGUFKey.fileType, .uint32(fileType))
        for (key, value) in request.importance?.metadata ?? [] {
            metadata.remove(key)
            metadata.set(key, value)
        }
        if let seed = request.ditherSeed { metadata.set("nibble.dither.seed", .uint64(seed)) }
        return try .gguf(
            path: request.output, metadata: metadata, tensors: jobs.map(\.layoutTensor),
            splitSize: request.splitSize)
    }

    private static func hubLayout(
        _ request: ConversionRequest, _ model: ModelCheckpoint, _ jobs: [TensorJob],
        _ notes: inout [CheckpointNote]
    ) throws(CheckpointError) -> CheckpointLayout {
        var provenance = request.provenance
        if provenance == nil { provenance = try model.provenance() }
        let companions: [HubFile]
        switch request.plan.type.format {
        case .ggml(let type): companions = try model.hubFiles(type: type, notes: &notes)
        case .int4(let group):
            companions = try model.hubFiles(
                type: elementType(jobs), quantization: CompressedTensors.configuration(group: group),
                notes: &notes)
        case .sfp8: companions = try model.hubFiles(type: elementType(jobs), notes: &notes)
        }
        return try .hub(
            path: request.output, tensors: jobs.map(\.layoutTensor), companions: companions,
            splitSize: request.splitSize ?? 5_000_000_000,
            metadata: provenance?.safetensorsEntries ?? [])
    }
}

extension Converter {
    /// The type to compute in that holds the scales, or values, and the embedding.
    private static func elementType(_ jobs: [TensorJob]) -> GGMLType {
        jobs.first { $0.role.kind == .tokenEmbedding }?.type == .bf16 ? .bf16 : .f32
    }
}

extension TensorJob {
    var layoutTensor: CheckpointLayout.Tensor { .init(name: name, shape: shape, type: type) }

    /// Whether the stored bytes are the output's bytes.
    var copiesBytes: Bool {
        if packing != nil { return false }
        return switch source {
        case .stored(let entry): entry.type == type && transform.isIdentity && !dithers
        // Rows are encoded one by one, so that they can be moved as they are.
        case .encoded(let tensor): tensor.format == .ggml(type)
        case .computed: false
        }
    }
}
