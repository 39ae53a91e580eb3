/// Conversions between `Float` and the bits of 16-bit floating point, one value at a time: what the reference
/// codecs use. Arrays are converted by ``F16`` and ``BF16``.
package enum Half {
    /// The bits of the BF16 value nearest to `value`, ties to even.
    ///
    /// Subnormals are kept, values beyond the largest finite BF16 by half a step or more become infinite, NaN
    /// stays NaN (quiet, with its upper payload bits).
    package static func bf16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if bits & 0x7FFF_FFFF > 0x7F80_0000 { return UInt16(bits >> 16) | 64 }
        // At most 0x7F80_0000 (or with sign) plus 0x8000: no overflow.
        return UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    }

    /// The value of a BF16; exact.
    package static func float(bf16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// The bits of the IEEE half nearest to `value`, ties to even; 65520 and more become infinite.
    package static func f16(_ value: Float) -> UInt16 { Float16(value).bitPattern }

    /// The value of an IEEE half; exact.
    package static func float(f16 bits: UInt16) -> Float { Float(Float16(bitPattern: bits)) }
}
