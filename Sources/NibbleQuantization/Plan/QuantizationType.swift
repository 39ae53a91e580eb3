public import NibbleNumerics

/// What a whole file is quantized to: the types of `llama-quantize`, each a default type and a rule for the
/// tensors that get another.
///
/// Raw values are llama.cpp's names in lower case; ``fileType`` is the number under `general.file_type`.
public enum QuantizationType: String, CaseIterable, Sendable {
    case f32
    case f16
    case bf16
    case q4_0
    case q4_1
    case q5_0
    case q5_1
    case q8_0
    case q4_k_s
    case q4_k_m
    case q5_k_s
    case q5_k_m
    case q6_k
    case iq4_nl

    /// The type of tensors that no rule changes.
    public var defaultType: GGMLType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q4_0: .q4_0
        case .q4_1: .q4_1
        case .q5_0: .q5_0
        case .q5_1: .q5_1
        case .q8_0: .q8_0
        case .q4_k_s, .q4_k_m: .q4_k
        case .q5_k_s, .q5_k_m: .q5_k
        case .q6_k: .q6_k
        case .iq4_nl: .iq4_nl
        }
    }

    /// The value of `general.file_type` (`llama_ftype` in llama.h).
    public var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q4_1: 3
        case .q8_0: 7
        case .q5_0: 8
        case .q5_1: 9
        case .q4_k_s: 14
        case .q4_k_m: 15
        case .q5_k_s: 16
        case .q5_k_m: 17
        case .q6_k: 18
        case .iq4_nl: 25
        case .bf16: 32
        }
    }
}
