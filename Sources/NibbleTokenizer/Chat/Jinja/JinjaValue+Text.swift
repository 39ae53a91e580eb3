extension JinjaValue {
    /// The text that a template prints for it: Python's `str`.
    package var text: String {
        switch self {
        case .undefined: ""
        case .string(let text): text
        default: representation
        }
    }

    /// Python's `repr`.
    var representation: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "None"
        case .bool(let flag): flag ? "True" : "False"
        case .integer(let value): String(value)
        case .float(let value): Self.python(value)
        case .string(let text): Self.quoted(text)
        case .list(let elements): "[" + elements.map(\.representation).joined(separator: ", ") + "]"
        case .dictionary(let members): Self.braced(members)
        case .namespace(let namespace): "<Namespace \(Self.braced(namespace.members))>"
        case .callable(let callable): "<function \(callable.name)>"
        }
    }

    private static func braced(_ members: [Member]) -> String {
        "{" + members.map { "\(quoted($0.name)): \($0.value.representation)" }.joined(separator: ", ") + "}"
    }

    /// Python writes exponents with two digits at least, and plain digits up to 1e16.
    static func python(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let text = "\(value)"
        guard let mark = text.firstIndex(of: "e") else { return text }
        var mantissa = String(text[..<mark])
        if mantissa.hasSuffix(".0") { mantissa.removeLast(2) }
        var exponent = text[text.index(after: mark)...]
        let sign = exponent.hasPrefix("-") ? "-" : "+"
        if let first = exponent.first, first == "-" || first == "+" { exponent.removeFirst() }
        return mantissa + "e" + sign + (exponent.count < 2 ? "0" : "") + exponent
    }

    private static func quoted(_ text: String) -> String {
        let quote: Unicode.Scalar =
            text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
        var quoted = String(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case quote: quoted += "\\\(quote)"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let digits = String(scalar.value, radix: 16)
                    quoted += "\\x" + (digits.count < 2 ? "0" : "") + digits
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + String(quote)
    }
}
