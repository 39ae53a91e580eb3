/// The four-bit float of the OCP Microscaling Formats: a sign, two bits of exponent, one of mantissa.
enum E2M1 {
    /// Twice the values of the codes 0 ... 15.
    static let doubled: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

    /// The values of bytes, the second half of them in the high halves of the bytes, times half a scale.
    static func values(_ bytes: ArraySlice<UInt8>, half scale: Float) -> [Float] {
        bytes.map { doubled[Int($0 & 0x0F)] * scale } + bytes.map { doubled[Int($0 >> 4)] * scale }
    }
}
