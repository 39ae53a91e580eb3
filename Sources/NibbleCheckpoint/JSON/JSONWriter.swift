extension JSONValue {
    /// The document as text, in the layout that the `transformers` library gives its files: two spaces a
    /// level, one member or element a line, a newline at the end; or on one line without spaces.
    public func serialized(pretty: Bool = true) -> String {
        var text = ""
        write(to: &text, level: pretty ? 0 : nil)
        if pretty { text += "\n" }
        return text
    }

    private func write(to text: inout String, level: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let flag): text += flag ? "true" : "false"
        case .number(let digits): text += digits
        case .string(let string): Self.write(string, to: &text)
        case .array(let elements):
            Self.write(elements, open: "[", close: "]", to: &text, level: level) { element, text, level in
                element.write(to: &text, level: level)
            }
        case .object(let members):
            Self.write(members, open: "{", close: "}", to: &text, level: level) { member, text, level in
                Self.write(member.name, to: &text)
                text += level == nil ? ":" : ": "
                member.value.write(to: &text, level: level)
            }
        }
    }

    private static func write<Item>(
        _ items: [Item], open: String, close: String, to text: inout String, level: Int?,
        item write: (Item, inout String, Int?) -> Void
    ) {
        text += open
        for (index, item) in items.enumerated() {
            if index > 0 { text += "," }
            if let level { text += "\n" + String(repeating: "  ", count: level + 1) }
            write(item, &text, level.map { $0 + 1 })
        }
        if let level, !items.isEmpty { text += "\n" + String(repeating: "  ", count: level) }
        text += close
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{08}": text += "\\b"
            case "\u{0C}": text += "\\f"
            case ..<" ":
                let code = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
