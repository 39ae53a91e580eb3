package import NibbleNumerics

/// Where blocks have their scales, for tests that make blocks.
extension GGMLType {
    /// Where the halves with scales and minima lie in a block; empty where scales are no halves.
    package var scaleOffsets: [Int] {
        switch self {
        case .f32, .iq1_m, .mxfp4, .nvfp4: []
        case .q4_1, .q5_1, .q4_k, .q5_k: [0, 2]
        case .q2_k: [80, 82]
        case .q3_k: [108]
        case .q6_k: [208]
        case .tq1_0: [52]
        case .tq2_0: [64]
        default: [0]
        }
    }

    /// Replaces the scales and minima of a block, of whatever kind they are, by some near `value`.
    package func setScales(_ bytes: inout [UInt8], block: Int, to value: () -> Float) {
        let start = block * blockBytes
        switch self {
        case .iq1_m:
            let bits = Half.f16(value())
            for word in 0..<4 {
                let place = start + 49 + 2 * word
                bytes[place] = bytes[place] & 0x0F | UInt8(bits >> (4 * word) & 0x0F) << 4
            }
        case .mxfp4: bytes[start] = UInt8(127 + Int(value().exponent))
        case .nvfp4:
            for part in 0..<4 {
                // The code of E4M3 with that power of two.
                bytes[start + part] = UInt8(max(1, 8 * (Int(value().exponent) + 7)))
            }
        default:
            for offset in scaleOffsets {
                let bits = Half.f16(value())
                bytes[start + offset] = UInt8(truncatingIfNeeded: bits)
                bytes[start + offset + 1] = UInt8(bits >> 8)
            }
        }
    }
}
