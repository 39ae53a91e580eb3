internal import NibbleCheckpoint
internal import NibbleNumerics

/// The rules by which a file type gives some tensors more bits (llama.cpp, `llama_tensor_get_type_impl`).
struct Mixture {
    private let type: QuantizationType
    private let usesImportance: Bool
    private let isTied: Bool
    private let layerCount: Int
    private let attentionValueCount: Int
    private let groupedQueries: Int
    /// llama.cpp takes a model of 80 layers for a 70B one: Llama where heads share values, Qwen 2 always.
    private let is70B: Bool
    private var attentionValueIndex = 0
    private var feedForwardDownIndex = 0

    init(
        type: QuantizationType, usesImportance: Bool, tensors: [PlannedTensor],
        configuration: ModelConfiguration
    ) {
        self.type = type
        self.usesImportance = usesImportance
        isTied = !tensors.contains { $0.role == TensorRole(.output) }
        layerCount = configuration.layerCount
        attentionValueCount = tensors.count { $0.role.kind == .attentionValue && $0.role.part == .weight }
        groupedQueries = configuration.headCount / max(configuration.keyValueHeadCount, 1)
        is70B =
            configuration.layerCount == 80
            && (configuration.architecture == .qwen2
                || configuration.architecture == .llama
                    && configuration.headCount != configuration.keyValueHeadCount)
    }

    /// The type of the next tensor; to be asked for each in the order of the file.
    mutating func type(for tensor: PlannedTensor, outputType: GGMLType?) -> GGMLType {
        switch tensor.role.kind {
        case .output: headType(tensor, outputType: outputType)
        case .tokenEmbedding where isTied: headType(tensor, outputType: outputType)
        case .tokenEmbedding where type == .q2_0: .q4_k
        case .attentionValue: attentionValueType()
        case .attentionOutput: attentionOutputType()
        case .feedForwardDown: feedForwardDownType()
        default: type.defaultType
        }
    }

    private func headType(_ tensor: PlannedTensor, outputType: GGMLType?) -> GGMLType {
        if let outputType { return outputType }
        if !tensor.columns.isMultiple(of: type.defaultType.blockSize) { return .q8_0 }
        return type.defaultType == .q8_0 ? .q8_0 : .q6_k
    }

    private mutating func attentionValueType() -> GGMLType {
        let index = attentionValueIndex
        attentionValueIndex += 1
        var result = type.defaultType
        switch type {
        case .q2_k: result = groupedQueries >= 4 ? .q4_k : .q3_k
        case .q3_k_m: result = index < 2 ? .q5_k : .q4_k
        case .q3_k_l: result = .q5_k
        case .iq4_nl, .iq4_xs: if groupedQueries >= 4 { result = .q5_k }
        case .q4_k_m, .q5_k_m:
            if Self.getsMoreBits(index, of: attentionValueCount) { result = .q6_k }
        case .q4_k_s where index < 4: result = .q5_k
        default: break
        }
        // Eight query heads share each value head there, so more bits cost little.
        if is70B, result == .q3_k || result == .q4_k { result = .q5_k }
        return result
    }

    private func attentionOutputType() -> GGMLType {
        switch type {
        case .q2_k: .q3_k
        case .q3_k_m: .q4_k
        case .q3_k_l: .q5_k
        default: type.defaultType
        }
    }

    private mutating func feedForwardDownType() -> GGMLType {
        let index = feedForwardDownIndex
        feedForwardDownIndex += 1
        let isEarly = index < layerCount / 8
        switch type {
        case .q4_k_m, .q5_k_m: return Self.getsMoreBits(index, of: layerCount) ? .q6_k : type.defaultType
        case .q2_k: return .q3_k
        case .q3_k_m: return index < layerCount / 16 ? .q5_k : .q4_k
        case .q3_k_l: return .q5_k
        case .iq4_nl, .iq4_xs: return isEarly && !usesImportance ? .q5_k : type.defaultType
        case .q4_k_s where isEarly: return .q5_k
        case .q4_0 where isEarly && usesImportance: return .q4_1
        case .q5_0 where isEarly && usesImportance: return .q5_1
        default: return type.defaultType
        }
    }

    /// The first and last eighth of the layers, and every third between.
    private static func getsMoreBits(_ index: Int, of count: Int) -> Bool {
        index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
    }
}
