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
///     input: "gemma-3-270m", output: "gemma.q4_0.gguf", exporter: CheckpointExporters.gguf,
///     plan: QuantizationPlan(.q4_0), threads: 2)
/// let summary = try Converter(request).run()
/// ```
public struct Converter: Sendable {
    /// What was asked for.
    public let request: ConversionRequest
    /// The source.
    public let model: ModelCheckpoint
    /// What each tensor becomes where the exporter follows the plan: folders of plain numbers have one type for all.
    public let plan: ResolvedPlan
    /// The model's tensors in the order of the output, with what becomes of them there.
    public let jobs: [TensorJob]
    /// The files of the output.
    public let layout: CheckpointLayout
    /// Matrices of plain numbers that lie on a lattice, which the output leaves.
    public let latticeLosses: [LatticeLoss]
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
        try Self.checkOptions(request)
        let resolved = try request.plan.resolve(model, usesImportance: request.importance != nil)
        // Trained and calibrated weights have codes of their own.
        let looks = request.replacements.isEmpty && request.ditherSeed == nil
        let lattices = looks ? resolved.lattices() : [:]
        plan =
            looks && request.keepsLattices ? Self.keeping(resolved, lattices, of: source, request) : resolved
        latticeLosses = plan.latticeLosses(lattices)
        jobs = try Self.jobs(plan, model, request)
        var notes = model.notes
        layout = try request.exporter.layout(
            of: jobs.flatMap { $0.output.parts.map(\.tensor) }, of: model, request, notes: &notes)
        self.notes = notes
    }

    /// The plan with what is kept of the source: lattices, and formats of codes that go from one form
    /// to another.
    private static func keeping(
        _ plan: ResolvedPlan, _ lattices: [TensorRole: TensorLattice], of source: ModelCheckpoint,
        _ request: ConversionRequest
    ) -> ResolvedPlan {
        let (whole, isPure) = (request.plan.type.format, request.plan.isPure)
        let kept = plan.keepingLattices(lattices, whole, isPure: isPure)
        // A GGUF file of a GGUF file has the types that llama-quantize gives it.
        let isFolder = request.exporter.fileEnding == nil || source.hasPackedMatrices
        return isFolder ? kept.keepingStored(whole, isPure: isPure) : kept
    }

    /// The tensors, outside of blocks first, then block by block, by the names that they have in the output.
    private static func jobs(
        _ plan: ResolvedPlan, _ model: ModelCheckpoint, _ request: ConversionRequest
    ) throws(CheckpointError) -> [TensorJob] {
        try request.checkReplacements(in: model)
        var outputs: [(planned: PlannedTensor, output: ExportedTensor)] = []
        for tensor in plan.tensors {
            let planned = try request.replaced(tensor, of: model)
            guard let output = try request.exporter.tensor(for: planned, of: model, request) else { continue }
            outputs.append((planned, output))
        }
        outputs.sort {
            ($0.planned.role.layer ?? -1, $0.output.name) < ($1.planned.role.layer ?? -1, $1.output.name)
        }
        var jobs: [TensorJob] = []
        var parts = 0
        for (planned, output) in outputs {
            jobs.append(try TensorJob(planned, as: output, firstPart: parts, of: model, request))
            parts += output.parts.count
        }
        return jobs
    }

    private static func checkOptions(_ request: ConversionRequest) throws(CheckpointError) {
        try request.exporter.check(request.plan.type, output: request.output)
        guard !request.exporter.usesPlanOptions || !request.plan.type.isGGUF else { return }
        if request.importance != nil {
            throw CheckpointError(
                .invalidRequest, path: request.output,
                "an importance matrix has no effect on \(request.plan.type.format)",
                advice: "leave --imatrix out")
        }
        try request.plan.refuseOptions(path: request.output)
    }

    private static func checkPaths(_ request: ConversionRequest, _ model: ModelCheckpoint)
        throws(CheckpointError)
    {
        precondition(request.threads > 0, "threads is \(request.threads), expected at least 1")
        let inputs = model.files + [request.input]
        if let output = FileIdentity(path: request.output),
            inputs.compactMap(FileIdentity.init).contains(output)
        {
            throw CheckpointError(
                .invalidRequest, path: request.output, "is the input; a conversion cannot replace its source",
                advice: "choose another output")
        }
        try OutputPlace.checkName(request.output)
        if let holder = inputs.first(where: { FilePath.lies($0, in: request.output) }) {
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
}
