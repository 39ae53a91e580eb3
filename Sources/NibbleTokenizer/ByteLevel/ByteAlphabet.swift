/// The letters that stand for bytes in the tokens of byte-level BPE (GPT-2, `bytes_to_unicode`; llama.cpp,
/// `unicode_byte_to_utf8_map`).
enum ByteAlphabet {
    /// The letter of each byte: printable ones stand for themselves, others follow from U+0100 on.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)...255).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                next += 1
                return next - 1
            }
        }
    }()

    /// The UTF-8 of the letter of each byte.
    static let texts: [[UInt8]] = scalars.map { scalar in
        var text: [UInt8] = []
        UTF8Reading.append(scalar, to: &text)
        return text
    }

    private static let bytes: [UInt32: UInt8] = Dictionary(
        uniqueKeysWithValues: zip(scalars, UInt8.min...UInt8.max))

    /// The bytes that a token stands for; other letters than those of the alphabet stand for themselves.
    static func decoded(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            if let byte = bytes[scalar.value] {
                result.append(byte)
            } else {
                UTF8Reading.append(scalar.value, to: &result)
            }
        }
        return result
    }
}
