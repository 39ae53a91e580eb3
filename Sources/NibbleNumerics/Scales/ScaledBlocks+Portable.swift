/// Scales that every runtime can hold: with 8 significant bits, which halves and BF16 have both.
///
/// A GGUF file holds scales as halves, MLX and compressed-tensors hold them as BF16. With such scales the same weights
/// stand in all of them, and those of Q4_0, codes of at most 3 significant bits times a scale of 8, in F16 as well.
extension ScaledBlocks {
    /// The nearest number to a scale that has 8 significant bits and is a half.
    ///
    /// Below 2⁻¹⁷, where halves have fewer bits, it has fewer, too; NaN and what no half holds stay as they are.
    public static func portable(_ scale: Float) -> Float {
        // Below, halves are the coarser of the two; from there on to the largest half every BF16 is one.
        if scale.magnitude < 0x1p-17 { return Half.float(f16: Half.f16(scale)) }
        let rounded = Half.float(bf16: Half.bf16(scale))
        return rounded.magnitude < 65_504 ? rounded : scale
    }

    /// The same, not beyond the scale: no value that has the extreme code loses it.
    package static func portableWithin(_ scale: Float) -> Float {
        let cut = Float(bitPattern: scale.bitPattern & 0xFFFF_0000)
        guard cut.isFinite, cut.magnitude < 65_504 else { return scale }
        // Halves below their normal range are multiples of 2⁻²⁴.
        guard cut.magnitude < 0x1p-14 else { return cut }
        return (cut * 0x1p24).rounded(.towardZero) * 0x1p-24
    }

    /// ``anchor(_:scales:level:)`` to scales that are portable.
    package func anchorPortably(
        _ values: Span<Float>, scales: inout MutableSpan<Float>, level: KernelLevel = .best
    ) {
        for block in 0..<scales.count { scales[block] = Self.portable(scales[block]) }
        var before: [Float] = []
        before.reserveCapacity(scales.count)
        for block in 0..<scales.count { before.append(scales[block]) }
        anchor(values, scales: &scales, level: level)
        for block in 0..<scales.count where scales[block] != before[block] {
            scales[block] = Self.portableWithin(scales[block])
        }
    }
}
