/// JSON text that is written as it arises, for documents too large to be built as a ``JSONValue`` first.
struct JSONText {
    /// The text in UTF-8.
    private(set) var bytes: [UInt8] = []

    /// Appends text that is JSON already.
    mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func value(_ value: JSONValue) { raw(value.serialized(pretty: false)) }

    mutating func string(_ text: String) { string(text.utf8) }

    /// Appends a string literal; `text` is UTF-8.
    mutating func string(_ text: some Sequence<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                raw("\\u00" + (byte < 16 ? "0" : "") + digits)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends `items` between commas, each on a line of its own.
    mutating func lines<Items: Sequence>(_ items: Items, _ write: (inout JSONText, Items.Element) -> Void) {
        var isFirst = true
        for item in items {
            raw(isFirst ? "\n" : ",\n")
            isFirst = false
            write(&self, item)
        }
        if !isFirst { raw("\n") }
    }
}
