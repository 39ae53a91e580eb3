// Names, literals and operators within a tag.
extension JinjaLexer {
    mutating func nextToken() throws(JinjaError) -> JinjaToken {
        let byte = bytes[place]
        if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") { return try stringToken(quote: byte) }
        if isDigit(byte) { return try numberToken() }
        if isNameByte(byte) {
            let start = place
            while place < bytes.count, isNameByte(bytes[place]) || isDigit(bytes[place]) { place += 1 }
            return .name(String(decoding: bytes[start..<place], as: UTF8.self))
        }
        for symbol in ["//", "**", "==", "!=", ">=", "<="] where hasPrefix(symbol, at: place) {
            place += 2
            return .symbol(symbol)
        }
        guard [UInt8]("+-/*%~[](){}<>=.:|,;".utf8).contains(byte) else {
            throw JinjaError(line, "'\(Unicode.Scalar(byte))' is not expected")
        }
        place += 1
        return .symbol(String(Unicode.Scalar(byte)))
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private func isNameByte(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F || byte >= 0x80
    }

    private mutating func numberToken() throws(JinjaError) -> JinjaToken {
        let start = place
        func digits(_ index: Int) -> Int {
            var index = index
            while index < bytes.count, isDigit(bytes[index]) || bytes[index] == UInt8(ascii: "_") {
                index += 1
            }
            return index
        }
        place = digits(place)
        var isFloat = false
        if place + 1 < bytes.count, bytes[place] == UInt8(ascii: "."), isDigit(bytes[place + 1]) {
            isFloat = true
            place = digits(place + 1)
        }
        if place < bytes.count, bytes[place] | 0x20 == UInt8(ascii: "e") {
            let end = digits(isSign(at: place + 1) ? place + 2 : place + 1)
            if isDigit(bytes[end - 1]) {
                isFloat = true
                place = end
            }
        }
        let text = String(decoding: bytes[start..<place].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        if isFloat, let value = Double(text) { return .float(value) }
        guard let value = Int(text) else { throw JinjaError(line, "\(text) is too large") }
        return .integer(value)
    }

    private mutating func stringToken(quote: UInt8) throws(JinjaError) -> JinjaToken {
        let start = line
        skip(1)
        var text: [UInt8] = []
        while true {
            guard place < bytes.count else { throw JinjaError(start, "a string has no end") }
            let byte = bytes[place]
            if byte == quote {
                skip(1)
                return .string(String(decoding: text, as: UTF8.self))
            }
            if byte == UInt8(ascii: "\\"), place + 1 < bytes.count {
                text += escaped()
            } else {
                text.append(byte)
                skip(1)
            }
        }
    }

    /// Python's escapes; a backslash before anything else stays.
    private mutating func escaped() -> [UInt8] {
        let byte = bytes[place + 1]
        let plain: [UInt8: String] = [
            UInt8(ascii: "n"): "\n", UInt8(ascii: "t"): "\t", UInt8(ascii: "r"): "\r",
            UInt8(ascii: "\\"): "\\",
            UInt8(ascii: "'"): "'", UInt8(ascii: "\""): "\"", UInt8(ascii: "a"): "\u{7}",
            UInt8(ascii: "b"): "\u{8}",
            UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "v"): "\u{B}", UInt8(ascii: "\n"): "",
        ]
        if let text = plain[byte] {
            skip(2)
            return Array(text.utf8)
        }
        let lengths: [UInt8: Int] = [UInt8(ascii: "x"): 2, UInt8(ascii: "u"): 4, UInt8(ascii: "U"): 8]
        if let length = lengths[byte], place + 2 + length <= bytes.count,
            let value = UInt32(
                String(decoding: bytes[place + 2..<place + 2 + length], as: UTF8.self), radix: 16),
            let scalar = Unicode.Scalar(value)
        {
            skip(2 + length)
            return Array(String(scalar).utf8)
        }
        skip(2)
        return [UInt8(ascii: "\\"), byte]
    }
}
