public import NibbleCheckpoint
public import NibbleQuantization

/// A model whose memory is planned: a checkpoint, or one whose shape is known by name.
public struct MemorySubject: Sendable {
    /// The path, or the name.
    public let name: String
    /// Its shape.
    public let configuration: ModelConfiguration
    /// Parameters of its vision tower and projector.
    public let visionParameterCount: Int
    /// The checkpoint; nil where the model is known by name only.
    public let checkpoint: ModelCheckpoint?

    /// A checkpoint at a path, else a model of that name.
    ///
    /// - Throws: ``CheckpointError`` where it is neither.
    public init(_ name: String) throws(CheckpointError) {
        guard FilePath.exists(name) || name.hasSuffix(".gguf") else {
            self.init(try KnownModel.named(name))
            return
        }
        let model = try ModelCheckpoint(path: name)
        self.init(
            name, model.configuration,
            vision: model.leftOut.reduce(0) { $0 + ($1.isVision ? $1.elementCount : 0) }, model)
    }

    /// A model whose shape is known.
    public init(_ model: KnownModel) {
        self.init(model.name, model.configuration, vision: model.visionParameterCount, nil)
    }

    private init(
        _ name: String, _ configuration: ModelConfiguration, vision: Int, _ checkpoint: ModelCheckpoint?
    ) {
        self.name = name
        self.configuration = configuration
        visionParameterCount = vision
        self.checkpoint = checkpoint
    }

    /// What a plan comes to for it.
    ///
    /// - Throws: ``CheckpointError`` where a tensor of the checkpoint cannot become what the plan says.
    public func resolve(_ plan: QuantizationPlan) throws(CheckpointError) -> ResolvedPlan {
        guard let checkpoint else { return plan.resolve(configuration) }
        return try plan.resolve(checkpoint)
    }

    /// Bytes of the GGUF file that a conversion to a plan writes; nil where there is no checkpoint, whose metadata is part
    /// of the file.
    public func fileBytes(_ plan: QuantizationPlan) throws(CheckpointError) -> Int? {
        guard checkpoint != nil else { return nil }
        let request = ConversionRequest(
            // Nothing is written there; the name is none that the checkpoint has.
            input: name, output: "\(FilePath.name(of: name)).planned.gguf",
            exporter: CheckpointExporters.gguf,
            plan: plan, threads: 1)
        return try Converter(request).layout.totalSize
    }
}
