/// A model on disk, in whatever form: its configuration, and its tensors by role.
///
/// ```swift
/// let model = try ModelCheckpoint(path: "gemma-3-270m")        // a hub folder, .safetensors or .gguf
/// print(model.configuration.layerCount, model.tensors.count)
/// ```
public struct ModelCheckpoint: Sendable {
    /// The path as it was opened.
    public let path: String
    /// The shape of the model.
    public let configuration: ModelConfiguration
    /// Where the description came from, in the form it had.
    public let source: Source
    /// The tensors of the text model; every required one is there, with the shape that the configuration says.
    public let tensors: [Tensor]
    /// Tensors that are not part of the text model and are left out, by the reason.
    public let leftOut: [LeftOut]
    /// What the user should know of the weights and the configuration before relying on a result; of the tokenizer
    /// see ``Vocabulary/notes``.
    public internal(set) var notes: [CheckpointNote] = []
    /// What computing the model would need and Nibble does not have. It keeps no GGUF file from being quantized.
    public internal(set) var obstacles: [CheckpointError]
    /// The files behind ``tensors`` and the description.
    public let files: [String]
    /// What safetensors files say beside their tensors, of the first shard that has a key; empty for GGUF.
    let weightsMetadata: [String: String]

    /// The forms that Nibble reads.
    public enum Source: Sendable {
        /// A GGUF file or its shards, with the metadata as stored.
        case gguf(GGUFMetadata)
        /// A file of gemma.cpp, with the metadata that a GGUF file of it has.
        case sbs(GGUFMetadata)
        /// A hub folder.
        case hub(HubDescription)

        /// How the tensors are named.
        public var scheme: NamingScheme {
            switch self {
            case .gguf: .gguf
            case .sbs: .sbs
            case .hub: .hub
            }
        }
    }

    /// A tensor with its role.
    public struct Tensor: Sendable {
        /// What it is for.
        public var role: TensorRole
        /// Where it is.
        public var entry: TensorEntry
    }

    /// Tensors left out for one reason.
    public struct LeftOut: Sendable, Equatable {
        /// Why: `vision tower`.
        public var reason: String
        /// How many.
        public var count: Int
        /// Their elements.
        public var elementCount: Int
        /// Bytes they take.
        public var byteCount: Int

        /// Whether they are of a vision tower or its projector.
        package var isVision: Bool { HubNames.visionParts.contains(reason) }
    }

    /// Opens a `.gguf` file, a hub folder, a `.safetensors` file or index with `config.json` beside it, or gemma.cpp's `.sbs`.
    public init(path: String) throws(CheckpointError) {
        switch CheckpointForm(path: path) {
        case .hub: try self.init(hub: path)
        case .sbs: try self.init(sbs: path)
        case .gguf: try self.init(gguf: path)
        }
    }

    private init(gguf path: String) throws(CheckpointError) {
        let checkpoint = try GGUFCheckpoint(path: path)
        let architecture = try Self.architecture(of: checkpoint)
        var tensors: [Tensor] = []
        for entry in checkpoint.tensors {
            guard let role = NamingScheme.gguf.role(of: entry.name, in: architecture) else {
                throw Self.unknown(entry, architecture)
            }
            tensors.append(Tensor(role: role, entry: entry))
        }
        let frequencies = try tensors.first { $0.role.kind == .ropeFrequencies }?.entry.floats()
        configuration = try ModelConfiguration(
            ggufMetadata: checkpoint.metadata, path: path,
            hasOutputTensor: tensors.contains { $0.role.kind == .output },
            embeddingRows: tensors.first { $0.role == TensorRole(.tokenEmbedding) }?.entry.shape.first,
            ropeFrequencyFactors: frequencies)
        obstacles = configuration.obstacles
        self.path = path
        source = .gguf(checkpoint.metadata)
        self.tensors = tensors
        leftOut = []
        files = checkpoint.files.map(\.file.path)
        weightsMetadata = [:]
        try checkTensors()
        noteUncomputed()
    }

    private init(sbs path: String) throws(CheckpointError) {
        let checkpoint = try SBSCheckpoint(path: path)
        configuration = checkpoint.configuration
        obstacles = configuration.obstacles
        self.path = path
        source = .sbs(checkpoint.metadata)
        tensors = checkpoint.tensors
        leftOut = []
        files = [path]
        weightsMetadata = [:]
        try checkTensors()
        notes = checkpoint.notes
    }

    private init(hub path: String) throws(CheckpointError) {
        let folder = FilePath.isFolder(path) ? path : FilePath.folder(of: path)
        let description = try HubDescription(folder: folder)
        let architecture = description.configuration.architecture
        let weights = try SafetensorsCheckpoint(path: path)
        var tensors: [Tensor] = []
        var leftOut: [String: LeftOut] = [:]
        let packed = try PackedWeights(weights, configuration: description.json, path: description.path)
        for entry in packed.tensors {
            if let reason = HubNames.reasonToLeaveOut(entry.name) {
                var part =
                    leftOut[reason] ?? LeftOut(reason: reason, count: 0, elementCount: 0, byteCount: 0)
                part.count += 1
                part.elementCount += entry.elementCount
                part.byteCount += entry.byteCount
                leftOut[reason] = part
                continue
            }
            guard let role = NamingScheme.hub.role(of: HubNames.textModelName(entry.name), in: architecture)
            else {
                throw Self.unknown(entry, architecture)
            }
            tensors.append(Tensor(role: role, entry: entry))
        }
        if let foreign = packed.foreign.first {
            throw CheckpointError(
                .unsupported, path: foreign.path, subject: "tensor '\(foreign.name)'",
                "has elements of type \(foreign.type); weights must be F64, F32, F16 or BF16",
                advice: "the checkpoint may be quantized already: start from the original")
        }
        var configuration = description.configuration
        // The head that is there is the head, as in GGUF files and in `transformers`.
        let statesTie = configuration.tiesEmbeddings
        if tensors.contains(where: { $0.role == TensorRole(.output) }) {
            configuration.tiesEmbeddings = false
        }
        self.configuration = configuration
        obstacles = configuration.obstacles
        self.path = path
        source = .hub(description)
        self.tensors = tensors
        self.leftOut = leftOut.values.sorted { $0.reason < $1.reason }
        files = weights.files.map(\.file.path) + [FilePath.join(folder, "config.json")]
        weightsMetadata = weights.metadata
        try checkTensors()
        noteUncomputed()
        notes = weights.notes + packed.notes
        try noteContradictions(description, statesTie: statesTie)
    }

    private static func architecture(of checkpoint: GGUFCheckpoint) throws(CheckpointError) -> Architecture {
        let supported = Architecture.allCases.map(\.rawValue).joined(separator: ", ")
        guard let name = try checkpoint.metadata.value(GGUFKey.architecture)?.text else {
            throw CheckpointError(
                .missing, path: checkpoint.path, subject: "key '\(GGUFKey.architecture)'",
                "is missing, so the file is not a model")
        }
        guard let architecture = Architecture(rawValue: name) else {
            throw CheckpointError(
                .unsupported, path: checkpoint.path, subject: "key '\(GGUFKey.architecture)'",
                "is '\(name)'; supported: \(supported)")
        }
        return architecture
    }

    private static func unknown(_ entry: TensorEntry, _ architecture: Architecture) -> CheckpointError {
        CheckpointError(
            .unsupported, path: entry.file.path, subject: "tensor '\(entry.name)'",
            "is no tensor of the architecture \(architecture.rawValue)")
    }
}
