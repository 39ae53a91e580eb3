internal import NibbleCheckpoint

/// JSON as `tojson` writes it for chat templates: Python's `json.dumps`, without escapes for HTML.
struct JinjaJSON {
    /// Spaces of a level, each member on a line of its own; nil for one line.
    var indent: Int?
    /// Whether all other characters than those of ASCII are escaped.
    var isASCII = false
    /// Whether members come in the order of their names.
    var isSorted = false
    /// What stands between members, and behind a name.
    var separators = (between: ", ", after: ": ")

    func text(_ value: JinjaValue, depth: Int = 0) throws(JinjaError) -> String {
        switch value {
        case .none: return "null"
        case .bool(let flag): return flag ? "true" : "false"
        case .integer, .float: return value.text
        case .string(let text): return quoted(text)
        case .list(let elements):
            var parts: [String] = []
            for element in elements { parts.append(try text(element, depth: depth + 1)) }
            return listed(parts, "[", "]", depth)
        case .dictionary(let members):
            var parts: [String] = []
            let ordered = isSorted ? members.sorted { $0.name < $1.name } : members
            for member in ordered {
                parts.append(
                    quoted(member.name) + separators.after + (try text(member.value, depth: depth + 1)))
            }
            return listed(parts, "{", "}", depth)
        case .undefined, .namespace, .callable: throw JinjaError("a \(value.typeName) has no JSON")
        }
    }

    private func listed(_ parts: [String], _ open: String, _ close: String, _ depth: Int) -> String {
        guard let indent, !parts.isEmpty else {
            return open + parts.joined(separator: separators.between) + close
        }
        func line(_ depth: Int) -> String { "\n" + String(repeating: " ", count: indent * depth) }
        return open + line(depth + 1) + parts.joined(separator: separators.between + line(depth + 1))
            + line(depth)
            + close
    }

    private func quoted(_ text: String) -> String {
        let quoted = JSONValue.string(text).serialized(pretty: false)
        guard isASCII else { return quoted }
        var escaped = ""
        for scalar in quoted.unicodeScalars {
            guard scalar.value > 0x7E else {
                escaped.unicodeScalars.append(scalar)
                continue
            }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return escaped
    }
}
