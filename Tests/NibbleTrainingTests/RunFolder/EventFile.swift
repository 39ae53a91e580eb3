import NibbleCheckpoint
import NibbleTestSupport

@testable import NibbleTraining

/// Reads an event file with nothing of what wrote it but the checksum, which has tests of its own.
enum EventFile {
    /// A field of a protobuf message.
    struct Field {
        var number: Int
        /// What a varint or a fixed-width field holds.
        var bits: UInt64
        /// What a length-delimited field holds.
        var bytes: [UInt8]
    }

    /// The messages of the file at `path`, or nil where a length or a checksum is wrong.
    static func messages(_ path: String) throws -> [[Field]]? {
        var bytes = try contents(path)[...]
        func number(_ count: Int) -> UInt64? {
            guard bytes.count >= count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        var messages: [[Field]] = []
        while !bytes.isEmpty {
            let header = bytes.prefix(8)
            guard let length = number(8), number(4) == UInt64(CRC32C.masked(header)),
                bytes.count >= Int(length)
            else { return nil }
            let message = Array(bytes.prefix(Int(length)))
            bytes = bytes.dropFirst(Int(length))
            guard number(4) == UInt64(CRC32C.masked(message)), let fields = fields(message) else {
                return nil
            }
            messages.append(fields)
        }
        return messages
    }

    /// The fields of a message; nil where it is none.
    static func fields(_ message: [UInt8]) -> [Field]? {
        var bytes = message[...]
        func varint() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = bytes.popFirst() else { return nil }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }
        func take(_ count: Int) -> [UInt8]? {
            guard bytes.count >= count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return Array(bytes.prefix(count))
        }
        var fields: [Field] = []
        while !bytes.isEmpty {
            guard let key = varint() else { return nil }
            var field = Field(number: Int(key >> 3), bits: 0, bytes: [])
            switch key & 7 {
            case 0:
                guard let value = varint() else { return nil }
                field.bits = value
            case 1, 5:
                guard let fixed = take(key & 7 == 1 ? 8 : 4) else { return nil }
                field.bits = fixed.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            case 2:
                guard let count = varint(), let content = take(Int(count)) else { return nil }
                field.bytes = content
            default: return nil
            }
            fields.append(field)
        }
        return fields
    }
}
