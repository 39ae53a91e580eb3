public import NibbleNumerics

/// What a whole checkpoint is quantized to: the types of `llama-quantize`, each a default type and a rule for the
/// tensors that get another; and formats that only hub folders hold.
///
/// Raw values of the former are llama.cpp's names in lower case; ``fileType`` is the number under
/// `general.file_type`. In the latter, the matrices of attention and feed-forward layers are quantized; embedding,
/// vocabulary head, norms and biases stay as they are.
public enum QuantizationType: String, CaseIterable, Sendable {
    case f32
    case f16
    case bf16
    case q4_0
    case q4_1
    case q5_0
    case q5_1
    case q8_0
    case q2_0
    case q2_k
    case q3_k_s
    case q3_k_m
    case q3_k_l
    case q4_k_s
    case q4_k_m
    case q5_k_s
    case q5_k_m
    case q6_k
    case iq4_nl
    case iq4_xs
    /// Symmetric 4-bit integers with one scale a row ("per channel"): a folder of compressed-tensors.
    case int4
    /// With one scale for 32 elements of a row.
    case int4_32
    /// With one scale for 64 elements of a row.
    case int4_64
    /// With one scale for 128 elements of a row.
    case int4_128
    /// gemma.cpp's 8-bit floating point: a folder of BF16, which holds its values exactly.
    case sfp8

    /// Whether GGUF files hold the type.
    public var isGGUF: Bool { format.ggmlType != nil }

    /// The types that only hub folders hold.
    public static let folderTypes = allCases.filter { !$0.isGGUF }

    /// How the matrices are stored that no rule changes.
    public var format: WeightFormat { row.format }

    /// The value of `general.file_type` (`llama_ftype` in llama.h); nil where ``isGGUF`` is false.
    public var fileType: UInt32? { row.fileType }

    private var row: (format: WeightFormat, fileType: UInt32?) {
        switch self {
        case .f32: (.ggml(.f32), 0)
        case .f16: (.ggml(.f16), 1)
        case .bf16: (.ggml(.bf16), 32)
        case .q4_0: (.ggml(.q4_0), 2)
        case .q4_1: (.ggml(.q4_1), 3)
        case .q5_0: (.ggml(.q5_0), 8)
        case .q5_1: (.ggml(.q5_1), 9)
        case .q8_0: (.ggml(.q8_0), 7)
        case .q2_0: (.ggml(.q2_0), 41)
        case .q2_k: (.ggml(.q2_k), 10)
        case .q3_k_s: (.ggml(.q3_k), 11)
        case .q3_k_m: (.ggml(.q3_k), 12)
        case .q3_k_l: (.ggml(.q3_k), 13)
        case .q4_k_s: (.ggml(.q4_k), 14)
        case .q4_k_m: (.ggml(.q4_k), 15)
        case .q5_k_s: (.ggml(.q5_k), 16)
        case .q5_k_m: (.ggml(.q5_k), 17)
        case .q6_k: (.ggml(.q6_k), 18)
        case .iq4_nl: (.ggml(.iq4_nl), 25)
        case .iq4_xs: (.ggml(.iq4_xs), 30)
        case .int4: (.int4(group: nil), nil)
        case .int4_32: (.int4(group: 32), nil)
        case .int4_64: (.int4(group: 64), nil)
        case .int4_128: (.int4(group: 128), nil)
        case .sfp8: (.sfp8, nil)
        }
    }

    /// The type of tensors that no rule changes in a GGUF file.
    ///
    /// - Precondition: ``isGGUF``.
    var defaultType: GGMLType {
        guard let type = format.ggmlType else {
            preconditionFailure("GGUF files have no type for \(rawValue)")
        }
        return type
    }
}
