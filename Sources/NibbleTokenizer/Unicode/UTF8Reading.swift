/// UTF-8 as llama.cpp reads it (unicode.cpp).
enum UTF8Reading {
    /// Bytes of the character that starts with `lead`, by its high bits alone (`unicode_len_utf8`).
    @inline(__always)
    static func length(lead: UInt8) -> Int { lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4 }

    @inline(__always)
    private static func tail(_ byte: UInt8) -> UInt32 { UInt32(byte & 0x3F) }

    @inline(__always)
    private static func isTail(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

    /// The scalar of the bytes at `position`, without regard to overlong forms, surrogates and the limit of
    /// Unicode (`unicode_cpt_from_utf8`); nil where the bytes have another pattern.
    @inline(__always)
    static func lenientScalar(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int) -> UInt32? {
        let lead = bytes[position]
        if lead < 0x80 { return UInt32(lead) }
        let length = length(lead: lead)
        guard lead >= 0xC0, lead < 0xF8, position + length <= bytes.count, isTail(bytes[position + 1]) else {
            return nil
        }
        let second = tail(bytes[position + 1])
        if length == 2 { return UInt32(lead & 0x1F) << 6 | second }
        guard isTail(bytes[position + 2]) else { return nil }
        let third = tail(bytes[position + 2])
        if length == 3 { return UInt32(lead & 0x0F) << 12 | second << 6 | third }
        guard isTail(bytes[position + 3]) else { return nil }
        return UInt32(lead & 0x07) << 18 | second << 12 | third << 6 | tail(bytes[position + 3])
    }

    /// Whether `length` bytes are the way to write `scalar`; surrogates pass.
    @inline(__always)
    static func isShortest(_ scalar: UInt32, length: Int) -> Bool {
        switch length {
        case 1: scalar < 0x80
        case 2: scalar >= 0x80
        case 3: scalar >= 0x800
        default: scalar >= 0x1_0000 && scalar < 0x11_0000
        }
    }

    /// The scalar of the bytes at `position`; nil where they are no valid UTF-8.
    @inline(__always)
    static func scalar(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int) -> UInt32? {
        guard let scalar = lenientScalar(bytes, position) else { return nil }
        guard isShortest(scalar, length: length(lead: bytes[position])), scalar & 0xFFFF_F800 != 0xD800 else {
            return nil
        }
        return scalar
    }

    /// Whether llama.cpp's byte-level tokenizers see the bytes as they are.
    static func isReadAsIs(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var position = 0
        while position < bytes.count {
            if bytes[position] < 0x80 {
                position += 1
                continue
            }
            let length = length(lead: bytes[position])
            guard let scalar = lenientScalar(bytes, position), isShortest(scalar, length: length) else {
                return false
            }
            position += length
        }
        return true
    }

    /// The text that llama.cpp's byte-level tokenizers see: each byte that starts no character becomes U+FFFD,
    /// overlong forms become short.
    ///
    /// llama.cpp gives up on characters beyond U+10FFFF; here, their bytes are taken one by one.
    static func rewritten(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 4)
        var position = 0
        while position < bytes.count {
            guard let scalar = lenientScalar(bytes, position), scalar < 0x11_0000 else {
                append(0xFFFD, to: &result)
                position += 1
                continue
            }
            append(scalar, to: &result)
            position += length(lead: bytes[position])
        }
        return result
    }

    /// Appends the UTF-8 of a scalar or surrogate.
    static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | scalar >> shift & 0x3F) }
        switch scalar {
        case ..<0x80: bytes.append(UInt8(scalar))
        case ..<0x800: bytes += [UInt8(0xC0 | scalar >> 6), tail(0)]
        case ..<0x1_0000: bytes += [UInt8(0xE0 | scalar >> 12), tail(6), tail(0)]
        default: bytes += [UInt8(0xF0 | scalar >> 18), tail(12), tail(6), tail(0)]
        }
    }
}
