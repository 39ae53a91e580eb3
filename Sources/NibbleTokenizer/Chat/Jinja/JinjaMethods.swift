/// The methods of strings, dictionaries and lists that change nothing.
enum JinjaMethods {
    /// The method `name` of a value; nil where it has none.
    static func method(_ name: String, of value: JinjaValue) throws(JinjaError) -> JinjaValue? {
        let body: (@Sendable (JinjaCall) throws(JinjaError) -> JinjaValue)?
        switch value {
        case .string(let text): body = method(name, of: text)
        case .dictionary(let members): body = method(name, of: members)
        case .list(let elements): body = try method(name, of: elements)
        default: body = nil
        }
        guard let body else { return nil }
        return .callable(JinjaCallable(name) { _, call throws(JinjaError) in try body(call) })
    }

    private typealias Body = @Sendable (JinjaCall) throws(JinjaError) -> JinjaValue

    private static func method(_ name: String, of members: [JinjaValue.Member]) -> Body? {
        switch name {
        case "items": { _ in .list(members.map { .list([$0.key, $0.value]) }) }
        case "keys": { _ in .list(members.map(\.key)) }
        case "values": { _ in .list(members.map(\.value)) }
        case "copy": { _ in .dictionary(members) }
        case "get":
            { call throws(JinjaError) in
                let values = try call.arguments("key", "default")
                let name = values[0]?.text ?? ""
                return members.first { $0.name == name }?.value ?? values[1] ?? .none
            }
        default: nil
        }
    }

    private static func method(_ name: String, of elements: [JinjaValue]) throws(JinjaError) -> Body? {
        switch name {
        case "index":
            return { call throws(JinjaError) in
                let wanted = try call.argument()
                guard let place = elements.firstIndex(where: { $0.equals(wanted) }) else {
                    throw JinjaError("\(wanted.representation) is not in the list")
                }
                return .integer(place)
            }
        case "count":
            return { call throws(JinjaError) in
                let wanted = try call.argument()
                return .integer(elements.count { $0.equals(wanted) })
            }
        case "append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse":
            throw JinjaError("lists cannot be changed by '\(name)'")
        default: return nil
        }
    }

    private static func method(_ name: String, of text: String) -> Body? {
        switch name {
        case "strip", "lstrip", "rstrip":
            return { call throws(JinjaError) in
                let characters = try call.arguments("chars")[0]
                return .string(
                    JinjaText.stripped(
                        text, try characters.map { c throws(JinjaError) in try string(c, call) },
                        left: name != "rstrip", right: name != "lstrip"))
            }
        case "removeprefix", "removesuffix":
            return { call throws(JinjaError) in
                let part = try string(try call.argument(), call)
                let isPrefix = name == "removeprefix"
                guard isPrefix ? hasPrefix(text, part) : hasSuffix(text, part) else { return .string(text) }
                let (scalars, count) = (text.unicodeScalars, part.unicodeScalars.count)
                return .string(String(isPrefix ? scalars.dropFirst(count) : scalars.dropLast(count)))
            }
        case "split", "rsplit":
            return { call throws(JinjaError) in
                let values = try call.arguments("sep", "maxsplit")
                let limit = values[1]?.integer ?? -1
                guard let separator = values[0], case .string(let mark) = separator else {
                    guard name == "split" || limit < 0 else {
                        throw JinjaError("rsplit with a limit needs a separator")
                    }
                    return list(JinjaText.split(text, nil, limit: limit))
                }
                guard !mark.isEmpty else { throw JinjaError("the separator is empty") }
                return list(
                    name == "split"
                        ? JinjaText.split(text, mark, limit: limit)
                        : JinjaText.splitFromEnd(text, mark, limit: limit))
            }
        case "splitlines": return { _ in list(JinjaText.lines(text)) }
        case "startswith", "endswith":
            return { call throws(JinjaError) in
                let wanted = try call.argument()
                let parts: [JinjaValue]
                if case .list(let several) = wanted { parts = several } else { parts = [wanted] }
                for part in parts {
                    let part = try string(part, call)
                    if name == "startswith" ? hasPrefix(text, part) : hasSuffix(text, part) {
                        return .bool(true)
                    }
                }
                return .bool(false)
            }
        case "replace":
            return { call throws(JinjaError) in
                let values = try call.arguments("old", "new", "count")
                guard let old = values[0], let new = values[1] else {
                    throw JinjaError("replace takes two arguments")
                }
                return .string(
                    try JinjaText.replaced(
                        text, try string(old, call), by: try string(new, call),
                        limit: values[2]?.integer ?? -1))
            }
        case "find":
            return { call throws(JinjaError) in
                .integer(JinjaText.firstIndex(of: try string(try call.argument(), call), in: text) ?? -1)
            }
        case "count":
            return { call throws(JinjaError) in
                .integer(JinjaText.split(text, try string(try call.argument(), call), limit: -1).count - 1)
            }
        case "format": return { call throws(JinjaError) in .string(try JinjaText.formatted(text, call)) }
        case "join":
            return { call throws(JinjaError) in
                .string(try JinjaText.joined(try JinjaRun.elements(of: try call.argument()), text))
            }
        case "upper": return { _ in .string(text.uppercased()) }
        case "lower": return { _ in .string(text.lowercased()) }
        case "title": return { _ in .string(JinjaText.titled(text)) }
        case "capitalize": return { _ in .string(JinjaText.capitalized(text)) }
        case "isdigit": return { _ in .bool(all(text) { $0.properties.numericType == .decimal }) }
        case "isalpha": return { _ in .bool(all(text) { $0.properties.isAlphabetic }) }
        case "isspace": return { _ in .bool(all(text, JinjaText.isSpace)) }
        default: return nil
        }
    }

    private static func all(_ text: String, _ condition: (Unicode.Scalar) -> Bool) -> Bool {
        !text.unicodeScalars.isEmpty && text.unicodeScalars.allSatisfy(condition)
    }

    private static func list(_ parts: [String]) -> JinjaValue { .list(parts.map(JinjaValue.string)) }

    private static func hasPrefix(_ text: String, _ part: String) -> Bool {
        text.utf8.starts(with: part.utf8)
    }

    private static func hasSuffix(_ text: String, _ part: String) -> Bool {
        text.utf8.reversed().starts(with: part.utf8.reversed())
    }

    private static func string(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> String {
        guard case .string(let text) = value else {
            throw JinjaError("\(call.name) takes a string, not a \(value.typeName)")
        }
        return text
    }
}
