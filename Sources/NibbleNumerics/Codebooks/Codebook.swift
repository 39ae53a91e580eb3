internal import CKernels

/// Groups of values that a code stands for as a whole, of ggml's IQ1, IQ2 and IQ3 types.
///
/// Source: the grids of ggml-common.h, written by `scripts/make-codebooks.py`. Numbered as in C.
enum Codebook: Int32 {
    /// Of IQ1_S and IQ1_M, groups of 8 of -1, 0, 1.
    case iq1
    /// Groups of 8 of 8, 25, 43.
    case iq2_xxs, iq2_xs, iq2_s
    /// Groups of 4 of 4, 12, 20, 28, 36, 44, 52, 62.
    case iq3_xxs
    /// Groups of 4 of 1, 3, 5, ... 15.
    case iq3_s

    /// The values of a code.
    func values(_ code: Int) -> [Float] {
        let entry = Int(nibble_codebook_entry(rawValue, Int32(code)))
        return switch self {
        case .iq1: (0..<8).map { Float((entry >> (2 * $0) & 3) - 1) }
        case .iq2_xxs, .iq2_xs, .iq2_s: (0..<8).map { [8, 25, 43][entry >> (2 * $0) & 3] }
        case .iq3_xxs: (0..<4).map { [4, 12, 20, 28, 36, 44, 52, 62][entry >> (3 * $0) & 7] }
        case .iq3_s: (0..<4).map { Float(2 * (entry >> (3 * $0) & 7) + 1) }
        }
    }

    /// 8 values times a step with the signs that the bits of a byte say, the first value's lowest: 1 is minus.
    static func signed(_ values: [Float], _ step: Float, _ signs: Int) -> [Float] {
        values.enumerated().map { place, value in signs >> place & 1 == 1 ? -(step * value) : step * value }
    }

    /// 8 signs of which 7 are stored: the number of minus signs is even.
    static func eightSigns(_ seven: Int) -> Int { seven | (seven.nonzeroBitCount & 1) << 7 }
}
