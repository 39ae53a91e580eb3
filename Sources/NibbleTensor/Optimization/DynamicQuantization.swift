internal import CKernels
package import NibbleNumerics

/// Numbers in 8 bits for the moments of an optimizer: block-wise dynamic quantization (Dettmers et al. 2021,
/// arXiv 2110.02861, section 2).
///
/// 256 numbers share their largest magnitude, of which each is a share. A code counts levels of seven decades of shares,
/// 10⁻⁷ to 1: of the lowest the fewest, and twice as many of each further, evenly within a decade, and zero. Levels are
/// the upper ends of their intervals, so that the largest magnitude is exact and does not fade from step to step.
package struct DynamicQuantization: Sendable {
    /// Numbers that share a magnitude.
    package static let blockSize = 256
    /// For means of gradients: a sign and 127 levels.
    package static let signed = DynamicQuantization(isSigned: true)
    /// For means of squares: 254 levels. What is not zero does not become zero: a step is divided by its root.
    package static let unsigned = DynamicQuantization(isSigned: false)

    private let isSigned: Bool
    /// The share that each code stands for.
    package let shares: [Float]
    private static let decades = 7
    /// Where each decade but the lowest begins, and what brings the shares below it to its end.
    private static let limits: [(Float, Float)] = [
        (1e-1, 1e1), (1e-2, 1e2), (1e-3, 1e3), (1e-4, 1e4), (1e-5, 1e5), (1e-6, 1e6),
    ]

    private init(isSigned: Bool) {
        self.isSigned = isSigned
        var levels: [Float] = [0]
        for decade in 0..<Self.decades {
            let count = Self.levels(decade, isSigned: isSigned)
            var unit = 1.0
            for _ in decade..<Self.decades - 1 { unit /= 10 }
            for level in 1...count {
                levels.append(Float(unit * (0.1 + 0.9 * Double(level) / Double(count))))
            }
        }
        if isSigned {
            levels += levels.map { -$0 }
        } else {
            // One code is left over.
            levels.append(1)
        }
        shares = levels
    }

    /// Levels of a decade, the first being the smallest shares.
    private static func levels(_ decade: Int, isSigned: Bool) -> Int { 1 << (isSigned ? decade : decade + 1) }

    /// The number of blocks that `count` numbers make, the last perhaps a short one.
    package static func blocks(_ count: Int) -> Int { (count + blockSize - 1) / blockSize }

    /// Numbers from their codes.
    ///
    /// - Parameter magnitudes: the largest of each block.
    package func decode(
        _ codes: UnsafePointer<UInt8>, magnitudes: UnsafePointer<Float>, count: Int,
        into values: UnsafeMutablePointer<Float>
    ) {
        shares.withUnsafeBufferPointer { shares in
            for block in 0..<Self.blocks(count) {
                let magnitude = magnitudes[block]
                for index in block * Self.blockSize..<min((block + 1) * Self.blockSize, count) {
                    values[index] = shares[Int(codes[index])] * magnitude
                }
            }
        }
    }

    /// The nearest codes of numbers. Of a block that holds NaN or infinity the magnitude is NaN, and so is what comes back.
    ///
    /// - Parameter level: nil for the plain form, which that of every level is tested against.
    package func encode(
        _ values: UnsafePointer<Float>, count: Int, into codes: UnsafeMutablePointer<UInt8>,
        magnitudes: UnsafeMutablePointer<Float>, level kernels: KernelLevel? = .best
    ) {
        for block in 0..<Self.blocks(count) {
            let range = block * Self.blockSize..<min((block + 1) * Self.blockSize, count)
            var (largest, check) = (Float(0), Float(0))
            for index in range {
                largest = max(largest, abs(values[index]))
                check += values[index] * 0
            }
            magnitudes[block] = check == 0 ? largest : .nan
            guard check == 0, largest > 0 else {
                for index in range { codes[index] = 0 }
                continue
            }
            if let kernels {
                nibble_dynamic_codes(
                    values + range.lowerBound, codes + range.lowerBound, range.count, largest,
                    isSigned ? 1 : 0,
                    kernels.number)
                continue
            }
            for index in range {
                let level = level(abs(values[index]) / largest)
                codes[index] =
                    isSigned
                    ? level | (values[index] < 0 && level > 0 ? 0x80 : 0)
                    : max(level, values[index] > 0 ? 1 : 0)
            }
        }
    }

    /// The code of a share of 0 to 1, without its sign.
    @inline(__always)
    private func level(_ share: Float) -> UInt8 {
        var (decade, scaled) = (Self.decades - 1, share)
        for (limit, power) in Self.limits where share < limit {
            decade -= 1
            scaled = share * power
        }
        let count = Self.levels(decade, isSigned: isSigned)
        // Levels of the decades below, zero among them; their last is where this decade begins.
        let below = isSigned ? count - 1 : count - 2
        let position = max(0, (min(scaled, 1) - 0.1) / 0.9 * Float(count))
        return UInt8(below + Int(position + 0.5))
    }
}
