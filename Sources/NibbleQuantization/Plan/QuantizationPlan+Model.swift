public import NibbleCheckpoint
public import NibbleNumerics

extension QuantizationPlan {
    /// What a tensor of a model becomes.
    public struct Assignment: Sendable, Equatable {
        /// What it is for.
        public var role: TensorRole
        /// Its GGUF name.
        public var name: String
        /// Extents in the output, slowest first.
        public var shape: [Int]
        /// How it is stored in the output.
        public var format: WeightFormat
        /// Why.
        public var reason: Reason
    }

    /// What all tensors of `model` become, in the order of a GGUF file: the same decisions that a conversion makes.
    ///
    /// - Throws: ``CheckpointError`` where a tensor cannot become what the plan says.
    public func assignments(for model: ModelCheckpoint) throws(CheckpointError) -> [Assignment] {
        guard type.isGGUF else { return try folderAssignments(for: model) }
        let request = ConversionRequest(input: model.path, output: "plan.gguf", plan: self, threads: 1)
        return try GGUFJobs(request, model).jobs().map {
            Assignment(
                role: $0.role, name: $0.name, shape: $0.shape, format: .ggml($0.type), reason: $0.reason)
        }
    }

    // MARK: - Formats of hub folders

    /// Throws where an option is set that a folder of ``type`` has no use for.
    func checkFolderOptions(path: String) throws(CheckpointError) {
        guard isPure || embeddingType != nil || outputType != nil || !overrides.isEmpty else { return }
        throw CheckpointError(
            .invalidRequest, path: path,
            "\(type.rawValue) is the type of all matrices of attention and feed-forward layers, and of no others",
            advice: "leave out pure, and types of embedding, output and single tensors")
    }

    /// What a tensor becomes in a folder of ``type``, which is none of GGUF files; the rest stays as it is, as F32 where
    /// the source has blocks.
    func folderFormat(
        of tensor: ModelCheckpoint.Tensor, path: String
    ) throws(CheckpointError) -> (format: WeightFormat, reason: Reason) {
        let (role, entry) = (tensor.role, tensor.entry)
        guard role.isLinear, entry.shape.count == 2 else {
            return (.ggml(entry.type.isHubType ? entry.type : .f32), .kept)
        }
        let format = type.format
        guard format.byteCount(columns: entry.columns) != nil else {
            throw CheckpointError(
                .invalidRequest, path: path, subject: "tensor '\(entry.name)'",
                "has rows of \(entry.columns) elements, \(format) stores groups of "
                    + "\(format.codec?.blockSize ?? 1)", advice: "choose int4, which has one scale a row")
        }
        return (format, .defaultType)
    }

    private func folderAssignments(for model: ModelCheckpoint) throws(CheckpointError) -> [Assignment] {
        try checkFolderOptions(path: model.path)
        var assignments: [Assignment] = []
        for tensor in model.tensors where !tensor.role.isRotary {
            let (role, entry) = (tensor.role, tensor.entry)
            guard let name = NamingScheme.gguf.name(of: role, in: model.configuration.architecture) else {
                throw CheckpointError(.unsupported, path: model.path, "GGUF has no name for \(role)")
            }
            let (format, reason) = try folderFormat(of: tensor, path: model.path)
            assignments.append(
                Assignment(role: role, name: name, shape: entry.shape, format: format, reason: reason))
        }
        return assignments.sorted { ($0.role.layer ?? -1, $0.name) < ($1.role.layer ?? -1, $1.name) }
    }
}

extension GGMLType {
    /// Whether a hub folder holds weights of the type as they are.
    var isHubType: Bool { self == .f32 || self == .f16 || self == .bf16 }
}
