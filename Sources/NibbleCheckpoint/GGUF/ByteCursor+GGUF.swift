/// Limits of llama.cpp's reader (gguf.cpp), beyond which it refuses a file.
enum GGUFLimits {
    /// Bytes of a string and elements of an array.
    static let length = 1 << 30
    /// Bytes of a tensor name.
    static let nameBytes = 63
    static let dimensions = 4
}

extension ByteCursor {
    /// A string: length (u64), then bytes.
    mutating func ggufString(for subject: @autoclosure () -> String) throws(CheckpointError) -> String {
        let start = position
        let bytes = try self.bytes(try stringLength(for: subject()), for: subject())
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw CheckpointError(
                .malformed, path: path, offset: start, subject: subject(), "is not valid UTF-8")
        }
        return string
    }

    private mutating func stringLength(for subject: @autoclosure () -> String) throws(CheckpointError) -> Int
    {
        let start = position
        let length = try integer(UInt64.self, for: subject())
        guard length <= GGUFLimits.length, Int(length) <= remaining else {
            throw CheckpointError(
                .truncated, path: path, offset: start, subject: subject(),
                "announces a string of \(length) bytes, the file has \(remaining) left",
                advice: "the download may be incomplete")
        }
        return Int(length)
    }

    /// Steps over a value, checking that it is well-formed, and returns the bytes it takes.
    mutating func skipGGUFValue(_ type: GGUFValueType, key: String) throws(CheckpointError) -> Range<Int> {
        let start = position
        switch type {
        case .string:
            try skip(try stringLength(for: "key '\(key)'"), for: "key '\(key)'")
        case .array:
            let (elementType, count) = try arrayHeader(key: key)
            if let size = elementType.byteCount {
                try skip(size * count, for: "key '\(key)'")
            } else {
                // The first that does not fit is the error's.
                for index in skipStrings(count, limit: GGUFLimits.length)..<count {
                    try skip(try stringLength(for: "key '\(key)'[\(index)]"), for: "key '\(key)'[\(index)]")
                }
            }
        default:
            try skip(type.byteCount ?? 0, for: "key '\(key)'")
        }
        return start..<position
    }

    /// The type and number of the elements that follow.
    mutating func arrayHeader(key: String) throws(CheckpointError) -> (GGUFValueType, Int) {
        let start = position
        let type = try valueType(key: key)
        guard type != .array else {
            throw CheckpointError(
                .malformed, path: path, offset: start, subject: "key '\(key)'", "is an array of arrays")
        }
        let count = try integer(UInt64.self, for: "key '\(key)'")
        // A string takes at least the 8 bytes of its length.
        guard count <= GGUFLimits.length, Int(count) <= remaining / (type.byteCount ?? 8) else {
            throw CheckpointError(
                .truncated, path: path, offset: start, subject: "key '\(key)'",
                "announces \(count) elements, the file has \(remaining) bytes left",
                advice: "the download may be incomplete")
        }
        return (type, Int(count))
    }

    mutating func valueType(key: String) throws(CheckpointError) -> GGUFValueType {
        let start = position
        let number = try integer(UInt32.self, for: "key '\(key)'")
        guard let type = GGUFValueType(rawValue: number) else {
            throw CheckpointError(
                .malformed, path: path, offset: start, subject: "key '\(key)'",
                "has value type \(number), expected 0 to 12")
        }
        return type
    }

    /// Decodes a value.
    mutating func ggufValue(_ type: GGUFValueType, key: String) throws(CheckpointError) -> GGUFValue {
        let subject = "key '\(key)'"
        switch type {
        case .uint8: return .uint8(try integer(for: subject))
        case .int8: return .int8(try integer(for: subject))
        case .uint16: return .uint16(try integer(for: subject))
        case .int16: return .int16(try integer(for: subject))
        case .uint32: return .uint32(try integer(for: subject))
        case .int32: return .int32(try integer(for: subject))
        case .uint64: return .uint64(try integer(for: subject))
        case .int64: return .int64(try integer(for: subject))
        case .float32: return .float32(Float(bitPattern: try integer(for: subject)))
        case .float64: return .float64(Double(bitPattern: try integer(for: subject)))
        case .bool: return .bool(try integer(UInt8.self, for: subject) != 0)
        case .string: return .string(try ggufString(for: subject))
        case .array:
            let (elementType, count) = try arrayHeader(key: key)
            var elements: [GGUFValue] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(try ggufValue(elementType, key: key)) }
            return .array(elementType, elements)
        }
    }
}
