/// The integer nearest to `value`, ties to even: ggml's `nearest_int`.
///
/// Exact for |value| <= 4194303. Beyond that, and for NaN, the result is what the addition leaves in the
/// mantissa: some integer of 23 bits, the same as ggml's.
func nearestInteger(_ value: Float) -> Int {
    Int((value + 12_582_912).bitPattern & 0x007F_FFFF) - 0x0040_0000
}

/// The low byte of `value` truncated toward zero.
///
/// C leaves the conversion of NaN and of values beyond `int` undefined; they give 0 here, as on x86-64, where
/// llama.cpp's files are made. They arise only in blocks whose values are all below about 1e-37: the scale is
/// then 0 whatever the codes are.
func truncatedByte(_ value: Float) -> UInt8 {
    guard let integer = Int32(exactly: value.rounded(.towardZero)) else { return 0 }
    return UInt8(truncatingIfNeeded: integer)
}

/// A half or BF16 as two bytes, low byte first.
func bytes(_ half: UInt16) -> [UInt8] { [UInt8(truncatingIfNeeded: half), UInt8(half >> 8)] }

extension [UInt8] {
    /// The two bytes from `offset` as an integer, low byte first.
    func word(at offset: Int) -> UInt16 { UInt16(self[offset]) | UInt16(self[offset + 1]) << 8 }

    /// The four bytes from `offset` as an integer, lowest first.
    func doubleWord(at offset: Int) -> Int { Int(word(at: offset)) | Int(word(at: offset + 2)) << 16 }

    /// The half at `offset`.
    func half(at offset: Int) -> Float { Half.float(f16: word(at: offset)) }
}
