internal import Foundation
internal import Nibble

/// Tokens as text and as JSON, written piece by piece as there may be many.
struct TokenReport {
    enum Format {
        case lines
        case ids
        case json
    }

    private let tokenizer: Tokenizer
    private let tokens: [Int32]

    private static let bufferSize = 1 << 16

    init(_ tokenizer: Tokenizer, _ tokens: [Int32]) {
        self.tokenizer = tokenizer
        self.tokens = tokens
    }

    /// Writes the tokens to standard output and their number to standard error.
    func write(_ format: Format) throws(CheckpointError) {
        var buffer: [UInt8] = []
        if format == .json { buffer += Array("{\"count\":\(tokens.count),\"tokens\":[".utf8) }
        for (place, token) in tokens.enumerated() {
            switch format {
            case .ids: buffer += Array("\(token)\n".utf8)
            case .lines: buffer += Array("\(token)\t\(Self.escaped(bytes(token)))\n".utf8)
            case .json:
                let value = JSONValue.members([
                    "id": .integer(Int(token)), "text": .string(Self.escaped(bytes(token))),
                ])
                buffer += Array(((place > 0 ? "," : "") + value.serialized(pretty: false)).utf8)
            }
            if buffer.count >= Self.bufferSize { try flush(&buffer) }
        }
        if format == .json {
            let warnings = JSONValue.array(tokenizer.vocabulary.notes.map { .string($0.description) })
            buffer += Array("],\"warnings\":\(warnings.serialized(pretty: false))}\n".utf8)
        }
        try flush(&buffer)
        StandardError.write("\(tokens.count) tokens\n")
    }

    private func bytes(_ token: Int32) -> ArraySlice<UInt8> {
        tokenizer.bytes(of: token, showingSpecial: true)
    }

    private func flush(_ buffer: inout [UInt8]) throws(CheckpointError) {
        try StandardOutput.write(buffer)
        buffer.removeAll(keepingCapacity: true)
    }

    /// The bytes on one line: control characters and bytes that are no UTF-8 as escapes.
    static func escaped(_ bytes: ArraySlice<UInt8>) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return bytes.map { $0 < 0x80 && $0 >= 0x20 && $0 != 0x5C ? String(UnicodeScalar($0)) : hex($0) }
                .joined()
        }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F: result += hex(UInt8(scalar.value))
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func hex(_ byte: UInt8) -> String { String(format: "\\x%02X", byte) }
}
