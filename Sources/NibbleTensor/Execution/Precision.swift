internal import CKernels

/// In which numbers products are computed. Sums are `Float` in all of them.
public enum Precision: String, CaseIterable, Sendable {
    /// Weights and activations as `Float`: the reference.
    case f32
    /// Weights and activations rounded to BF16, products exact (AVX-512 BF16): 8 bits of precision, as
    /// llama.cpp computes with BF16 weights.
    case bf16
    /// The fastest that this machine has for each weight: int8 activations for weights in blocks of 32 codes
    /// (as llama.cpp computes with them), ``fasterFloat`` for all others and where these instructions are missing; below the
    /// level of AVX-512 `Float`.
    case automatic = "auto"

    /// Whether this machine has the instructions for it.
    public var isSupported: Bool {
        self != .bf16 || nibble_has_bf16_dot() != 0
    }

    /// Of ``f32`` and ``bf16`` the one whose products this machine computes faster.
    public static var fasterFloat: Precision {
        fasterFloat(
            hasDot: nibble_has_bf16_dot() != 0, hasTiles: nibble_has_bf16_tiles() != 0,
            isIntel: nibble_is_intel() != 0)
    }

    /// The same of a machine with these instructions. Intel's processors take twice as long for a dot product of BF16 pairs as
    /// for the two products in `Float` (85 and 171 GFLOP/s on a core of a Xeon of model 207), AMD's half as long; tiles (AMX)
    /// are faster than either.
    package static func fasterFloat(hasDot: Bool, hasTiles: Bool, isIntel: Bool) -> Precision {
        hasTiles || hasDot && !isIntel ? .bf16 : .f32
    }
}

/// The product that is used with weights of one type.
package enum ProductKernel: Sendable {
    case f32
    case bf16
    case int8
}
