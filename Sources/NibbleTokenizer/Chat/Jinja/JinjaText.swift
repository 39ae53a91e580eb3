/// Python's methods of strings, by code points.
enum JinjaText {
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    /// Without the characters in `characters`, or white space, at its ends.
    static func stripped(
        _ text: String, _ characters: String? = nil, left: Bool = true, right: Bool = true
    ) -> String {
        let set = characters.map { Set($0.unicodeScalars) }
        func isStripped(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? isSpace(scalar) }
        var rest = text.unicodeScalars[...]
        if left { rest = rest.drop(while: isStripped) }
        if right { while let last = rest.last, isStripped(last) { rest.removeLast() } }
        return String(rest)
    }

    /// The place of `part` among the code points of `text`.
    static func firstIndex(of part: String, in text: String) -> Int? {
        let (text, part) = (Array(text.unicodeScalars), Array(part.unicodeScalars))
        return firstIndex(of: part, in: text, from: 0)
    }

    private static func firstIndex(of part: [Unicode.Scalar], in text: [Unicode.Scalar], from start: Int)
        -> Int?
    {
        guard !part.isEmpty else { return start }
        var index = start
        while index + part.count <= text.count {
            if text[index] == part[0], text[index..<index + part.count].elementsEqual(part) { return index }
            index += 1
        }
        return nil
    }

    /// The parts between `separator`, or between white space.
    static func split(_ text: String, _ separator: String?, limit: Int) -> [String] {
        var parts: [String] = []
        guard let separator else {
            var rest = text.unicodeScalars[...].drop(while: isSpace)
            while !rest.isEmpty {
                guard limit < 0 || parts.count < limit, let end = rest.firstIndex(where: isSpace) else {
                    parts.append(stripped(String(rest), left: false))
                    break
                }
                parts.append(String(rest[..<end]))
                rest = rest[end...].drop(while: isSpace)
            }
            return parts
        }
        let (scalars, mark) = (Array(text.unicodeScalars), Array(separator.unicodeScalars))
        var start = 0
        while limit < 0 || parts.count < limit, let place = firstIndex(of: mark, in: scalars, from: start) {
            parts.append(string(scalars[start..<place]))
            start = place + mark.count
        }
        return parts + [string(scalars[start...])]
    }

    /// The same from the end.
    static func splitFromEnd(_ text: String, _ separator: String, limit: Int) -> [String] {
        let all = split(text, separator, limit: -1)
        guard limit >= 0, all.count - 1 > limit else { return all }
        let kept = all.count - limit
        return [all[..<kept].joined(separator: separator)] + all[kept...]
    }

    static func replaced(
        _ text: String, _ old: String, by new: String, limit: Int
    ) throws(JinjaError) -> String {
        guard old.isEmpty else {
            let parts = split(text, old, limit: limit)
            try JinjaRun.checkSize(new.utf8.count, times: parts.count)
            return parts.joined(separator: new)
        }
        try JinjaRun.checkSize(new.utf8.count + 1, times: text.utf8.count + 1)
        var parts = [""]
        for scalar in text.unicodeScalars { parts.append(String(scalar)) }
        var replaced = ""
        for (index, part) in parts.enumerated() {
            replaced += part + (limit < 0 || index < limit ? new : "")
        }
        return replaced
    }

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    /// The first letter in capitals, the others not.
    static func capitalized(_ text: String) -> String {
        guard let first = text.unicodeScalars.first else { return "" }
        return first.properties.titlecaseMapping + String(text.unicodeScalars.dropFirst()).lowercased()
    }

    /// The first letter of every word in capitals.
    static func titled(_ text: String) -> String {
        var titled = ""
        var isInWord = false
        for scalar in text.unicodeScalars {
            let isLetter = scalar.properties.isCased
            titled +=
                isLetter
                ? (isInWord ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping)
                : String(scalar)
            isInWord = isLetter
        }
        return titled
    }

    /// The lines, without their ends.
    static func lines(_ text: String) -> [String] {
        let ended = split(text, "\r\n", limit: -1).joined(separator: "\n")
        var lines = split(split(ended, "\r", limit: -1).joined(separator: "\n"), "\n", limit: -1)
        if lines.last?.isEmpty ?? false { lines.removeLast() }
        return lines
    }

    /// Each line after the first indented.
    static func indented(
        _ text: String, _ indent: String, first: Bool, blank: Bool
    ) throws(JinjaError) -> String {
        let lines = split(text, "\n", limit: -1)
        try JinjaRun.checkSize(indent.utf8.count, times: lines.count)
        return lines.enumerated().map { index, line in
            (index == 0 ? first : blank || !line.isEmpty) ? indent + line : line
        }.joined(separator: "\n")
    }

    /// The texts one after the other with `separator` between.
    static func joined(_ parts: [JinjaValue], _ separator: String) throws(JinjaError) -> String {
        var size = 0
        let texts = parts.map(\.text)
        for text in texts { size += text.utf8.count + separator.utf8.count }
        try JinjaRun.checkSize(size)
        return texts.joined(separator: separator)
    }

    /// Python's `str.format` with `{}`, `{0}` and `{name}`; formats behind a colon are not supported.
    static func formatted(_ text: String, _ call: JinjaCall) throws(JinjaError) -> String {
        var formatted = ""
        var field: String?
        var next = 0
        var scalars = text.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            if scalar == "{" || scalar == "}", scalars.first == scalar, field == nil {
                scalars.removeFirst()
                formatted.unicodeScalars.append(scalar)
            } else if scalar == "{", field == nil {
                field = ""
            } else if scalar == "}", let name = field {
                let place = name.isEmpty ? next : Int(name)
                let value =
                    place.map { $0 < call.positional.count && $0 >= 0 ? call.positional[$0] : nil }
                    ?? call.named.first { $0.name == name }?.value
                guard let value else { throw JinjaError("format has no value for '{\(name)}'") }
                formatted += value.text
                if name.isEmpty { next += 1 }
                field = nil
            } else if field != nil {
                field?.unicodeScalars.append(scalar)
            } else {
                formatted.unicodeScalars.append(scalar)
            }
        }
        guard field == nil else { throw JinjaError("format: a '{' has no '}'") }
        return formatted
    }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "'": escaped += "&#39;"
            case "\"": escaped += "&#34;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
