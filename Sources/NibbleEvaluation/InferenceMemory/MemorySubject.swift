public import NibbleCheckpoint
internal import NibbleQuantization

/// A model whose memory is planned: a checkpoint, or one whose shape is known by name.
public struct MemorySubject: Sendable {
    /// The path, or the name.
    public let name: String
    /// Its shape.
    public let configuration: ModelConfiguration
    /// Parameters of its vision tower and projector.
    public let visionParameterCount: Int
    private let source: Source

    private enum Source {
        case checkpoint(ModelCheckpoint)
        case known
    }

    /// A checkpoint at a path, else a model of that name.
    ///
    /// - Throws: ``CheckpointError`` where it is neither.
    public init(_ name: String) throws(CheckpointError) {
        self.name = name
        if FilePath.exists(name) || name.hasSuffix(".gguf") {
            let model = try ModelCheckpoint(path: name)
            configuration = model.configuration
            visionParameterCount = 0
            source = .checkpoint(model)
        } else {
            let model = try KnownModel.named(name)
            configuration = model.configuration
            visionParameterCount = model.visionParameterCount
            source = .known
        }
    }

    func resolve(_ plan: QuantizationPlan) throws(CheckpointError) -> ResolvedPlan {
        switch source {
        case .checkpoint(let model): try plan.resolve(model)
        case .known: plan.resolve(configuration)
        }
    }
}
