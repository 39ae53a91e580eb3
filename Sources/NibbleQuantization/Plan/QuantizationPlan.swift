internal import NibbleCheckpoint
public import NibbleNumerics

/// Which tensor becomes what: the rules. ``resolve(_:usesImportance:)`` applies them to a model.
///
/// For types of GGUF files they are those of llama-quantize (llama.cpp, `src/llama-quant.cpp`), so that its files and
/// ours agree tensor by tensor.
///
/// ```swift
/// let plan = try QuantizationPlan(.q4_0).resolve(model)
/// ```
public struct QuantizationPlan: Sendable {
    /// The type of the whole file.
    public var type: QuantizationType
    /// Whether every tensor gets the default type, the rules of the mixture left out.
    public var isPure = false
    /// Overrides the type of the token embedding, tied or not.
    public var embeddingType: GGMLType?
    /// Overrides the type of the vocabulary head. Where that is tied to the embedding it reaches the
    /// embedding through the mixture's rules, hence not with ``isPure``.
    public var outputType: GGMLType?
    /// Overrides by GGUF tensor name; the first pattern that is found in the name wins. They apply where
    /// ``type`` is quantized, and not to tensors that the two options above name.
    public var overrides: [Override] = []
    /// Types of matrices by name, before all other rules; of a type that their rows do not fit, they are an error. Its own
    /// type is not read here: give it as ``type``.
    public var file: PlanFile?

    /// Creates the plan of llama-quantize for `type`.
    public init(_ type: QuantizationType) { self.type = type }

    /// A pattern and the type of the tensors that match it.
    public struct Override: Sendable, Equatable {
        /// The regular expression as the user wrote it.
        public let pattern: String
        /// What matching tensors become.
        public let type: GGMLType

        /// Checks that `pattern` is a regular expression.
        /// - Throws: the compiler's error where it is not.
        public init(pattern: String, type: GGMLType) throws {
            _ = try Regex(pattern)
            self.pattern = pattern
            self.type = type
        }

        /// Whether `name` contains a match.
        func matches(_ name: String) -> Bool {
            // Compiled for each use, as a Regex is not Sendable; a model has few hundred names.
            guard let regex = try? Regex(pattern) else { return false }
            return name.firstMatch(of: regex) != nil
        }
    }

    /// What a tensor becomes, and why.
    typealias Target = (format: WeightFormat, reason: Reason)

    /// Why a tensor has its type.
    public enum Reason: Sendable, Equatable {
        /// The default type of the file.
        case defaultType
        /// Norms, biases and other small tensors keep their type.
        case kept
        /// A rule of the mixture.
        case mixture
        /// An option names the tensor.
        case override
        /// It lies on the lattice of the file's default type, which so holds its values: it needs no more bits.
        case lattice
        /// Its rows are no whole number of blocks of the type it should have had.
        case shape(insteadOf: GGMLType)
    }

    /// What each tensor becomes, in the order given.
    ///
    /// The mixtures count attention and feed-forward tensors in this order; give them as they will be written.
    func targets(
        for tensors: [PlannedTensor], in configuration: ModelConfiguration, usesImportance: Bool
    ) -> [Target] {
        guard type.isGGUF else {
            return tensors.map { tensor in
                tensor.role.isLinear && tensor.shape.count == 2
                    ? (type.format, .defaultType) : (tensor.kept, .kept)
            }
        }
        var mixture = Mixture(
            type: type, usesImportance: usesImportance, tensors: tensors, configuration: configuration)
        return tensors.map { target(for: $0, mixture: &mixture) }
    }

    private func target(for tensor: PlannedTensor, mixture: inout Mixture) -> Target {
        guard tensor.isQuantizable else { return (tensor.kept, .kept) }
        if let type = file?.type(of: tensor.name) { return (.ggml(type), .override) }
        if tensor.role.kind == .tokenEmbedding, let embeddingType { return (.ggml(embeddingType), .override) }
        if tensor.role.kind == .output, let outputType { return (.ggml(outputType), .override) }
        var (result, reason) = (type.defaultType, Reason.defaultType)
        guard result.isQuantized else { return (.ggml(result), reason) }
        if let override = overrides.first(where: { $0.matches(tensor.name) }) {
            (result, reason) = (override.type, .override)
        } else if !isPure {
            let type = mixture.type(for: tensor, outputType: outputType)
            if type != result { (result, reason) = (type, .mixture) }
        }
        if let fallback = Self.fallback(for: result, columns: tensor.columns) {
            (result, reason) = (fallback, .shape(insteadOf: result))
        }
        return (.ggml(result), reason)
    }

    /// What is used where a row of `columns` is no whole number of blocks; nil where it is.
    static func fallback(for type: GGMLType, columns: Int) -> GGMLType? {
        guard !columns.isMultiple(of: type.blockSize) else { return nil }
        let smaller: GGMLType =
            switch type {
            case .q2_0, .q2_k, .q3_k, .tq1_0, .tq2_0: .q4_0
            case .q4_k: .q5_0
            case .q5_k: .q5_1
            case .q6_k: .q8_0
            case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_xs: .iq4_nl
            default: type
            }
        return columns.isMultiple(of: smaller.blockSize) ? smaller : .f16
    }
}

extension PlannedTensor {
    /// Whether llama-quantize would quantize it: a matrix of weights that is no norm.
    var isQuantizable: Bool {
        // Trailing extents of one do not count, as ggml_n_dims has it; they come first here.
        shape.drop { $0 == 1 }.count >= 2 && role.part == .weight && !role.kind.isNorm
    }
}

extension TensorRole {
    /// Whether the tensor is the matrix of an attention or feed-forward layer.
    package var isLinear: Bool {
        part == .weight
            && (kind.isFeedForward
                || [.attentionQuery, .attentionKey, .attentionValue, .attentionOutput].contains(kind))
    }
}
