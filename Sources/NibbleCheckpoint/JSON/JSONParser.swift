/// Parses a JSON document (RFC 8259) in one pass over its bytes.
///
/// Memory grows with what the document holds, nesting is limited to ``maximumDepth``, and duplicate member
/// names are an error.
package struct JSONParser {
    /// Objects and arrays within one another; configuration files stay below 10.
    package static let maximumDepth = 64

    private let bytes: UnsafeRawBufferPointer
    private let path: String
    private let base: Int
    private var position = 0

    /// Parses all of `bytes`, which start at byte `base` of the file at `path`.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, path: String, base: Int = 0
    ) throws(CheckpointError) -> JSONValue {
        var parser = JSONParser(bytes: bytes, path: path, base: base)
        parser.skipSpace()
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else {
            throw parser.error("text after the end of the document")
        }
        return value
    }

    /// Parses the file at `path`.
    package static func parse(path: String) throws(CheckpointError) -> JSONValue {
        let file = try MappedFile(path: path)
        let value = try parse(file.bytes, path: path)
        withExtendedLifetime(file) {}
        return value
    }

    private init(bytes: UnsafeRawBufferPointer, path: String, base: Int) {
        self.bytes = bytes
        self.path = path
        self.base = base
    }

    private func error(_ problem: String, at position: Int? = nil) -> CheckpointError {
        CheckpointError(
            .malformed, path: path, offset: base + (position ?? self.position), "JSON: " + problem)
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func value(depth: Int) throws(CheckpointError) -> JSONValue {
        guard depth < Self.maximumDepth else {
            throw error("more than \(Self.maximumDepth) levels of nesting")
        }
        guard position < bytes.count else { throw error("a value is missing") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(try members(depth: depth))
        case UInt8(ascii: "["): return .array(try elements(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(CheckpointError)
        -> JSONValue
    {
        let end = position + word.utf8CodeUnitCount
        guard end <= bytes.count,
            (0..<word.utf8CodeUnitCount).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
        else { throw error("expected \(word)") }
        position = end
        return value
    }

    private mutating func members(depth: Int) throws(CheckpointError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        var names: Set<ExactText> = []
        position += 1
        skipSpace()
        if take(UInt8(ascii: "}")) { return members }
        while true {
            let start = position
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw error("expected a member name in quotes")
            }
            let name = try string()
            guard names.insert(ExactText(name)).inserted else {
                throw error("duplicate member '\(name)'", at: start)
            }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("expected ':' after '\(name)'") }
            skipSpace()
            members.append(JSONValue.Member(name, try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return members }
            guard take(UInt8(ascii: ",")) else { throw error("expected ',' or '}' after '\(name)'") }
            skipSpace()
        }
    }

    private mutating func elements(depth: Int) throws(CheckpointError) -> [JSONValue] {
        var elements: [JSONValue] = []
        position += 1
        skipSpace()
        if take(UInt8(ascii: "]")) { return elements }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return elements }
            guard take(UInt8(ascii: ",")) else { throw error("expected ',' or ']'") }
            skipSpace()
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func number() throws(CheckpointError) -> String {
        let start = position
        _ = take(UInt8(ascii: "-"))
        let leadingZero = position < bytes.count && bytes[position] == UInt8(ascii: "0")
        let whole = digits()
        guard whole > 0, whole == 1 || !leadingZero else { throw error("expected a value", at: start) }
        if take(UInt8(ascii: ".")), digits() == 0 { throw error("expected digits after '.'") }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            if digits() == 0 { throw error("expected digits in the exponent") }
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func digits() -> Int {
        let start = position
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
        return position - start
    }

    private mutating func string() throws(CheckpointError) -> String {
        let start = position
        position += 1
        // The common case needs no copy: everything up to the closing quote is the text.
        while position < bytes.count, bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\""),
            bytes[position] != UInt8(ascii: "\\")
        { position += 1 }
        var text = Array(bytes[start + 1..<position])
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            let byte = bytes[position]
            guard byte >= 0x20 else { throw error("control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") { try escape(into: &text) } else { text.append(byte) }
        }
        guard take(UInt8(ascii: "\"")) else { throw error("a string has no end", at: start) }
        guard let string = String(validating: text, as: UTF8.self) else {
            throw error("a string is not valid UTF-8", at: start)
        }
        return string
    }

    private mutating func escape(into text: inout [UInt8]) throws(CheckpointError) {
        guard position < bytes.count else { throw error("a string has no end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800...0xDBFF).contains(code) {
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
                    throw error("half a surrogate pair")
                }
                let low = try hexadecimal()
                guard (0xDC00...0xDFFF).contains(low) else { throw error("half a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
            text.append(contentsOf: Array(String(scalar).utf8))
        default: throw error("unknown escape", at: position - 1)
        }
    }

    private mutating func hexadecimal() throws(CheckpointError) -> UInt32 {
        guard position + 4 <= bytes.count else { throw error("four hexadecimal digits expected") }
        var code: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error("four hexadecimal digits expected")
            }
            code = code << 4 | UInt32(digit)
        }
        position += 4
        return code
    }
}
