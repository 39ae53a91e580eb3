/// The YAML front matter of a model card, as far as model cards use YAML: scalars and lists of scalars at the top
/// level, plain, quoted, or as a flow list. What is nested deeper is skipped.
package struct FrontMatter {
    private(set) var fields: [String: [String]] = [:]
    /// Fields that are lists, so that one element is told from a scalar.
    private(set) var lists: Set<String> = []

    init(_ text: String) {
        var name: String?
        for line in Self.parts(text).front {
            let content = line.drop { $0 == " " || $0 == "\t" }
            let isIndented = content.startIndex > line.startIndex
            if content.isEmpty || content.first == "#" { continue }
            if content == "-" || content.hasPrefix("- ") {
                guard let name, fields[name]?.isEmpty == true || lists.contains(name) else { continue }
                // A list of maps is none of strings.
                let item = Self.trimmed(content.dropFirst())
                guard let scalar = Self.scalar(item), item.first == "\"" || !item.contains(": ") else {
                    continue
                }
                lists.insert(name)
                fields[name, default: []].append(scalar)
            } else if !isIndented, let colon = content.firstIndex(of: ":") {
                let key = String(content[..<colon])
                name = key
                fields[key] = []
                let value = Self.trimmed(content[content.index(after: colon)...])
                if value.isEmpty || value.first == "|" || value.first == ">" || value.first == "{" {
                    continue
                }
                if value.first == "[" {
                    lists.insert(key)
                    let inner = value.dropFirst().prefix { $0 != "]" }
                    fields[key] = inner.split(separator: ",").compactMap { Self.scalar(Self.trimmed($0)) }
                } else if let scalar = Self.scalar(value) {
                    fields[key] = [scalar]
                }
            }
        }
        fields = fields.filter { !$0.value.isEmpty }
    }

    /// The lines of the front matter of a card, between its rules, and those behind it; no front matter where there are no
    /// rules.
    package static func parts(_ card: String) -> (front: ArraySlice<Substring>, text: ArraySlice<Substring>) {
        let lines = card.split(separator: "\n", omittingEmptySubsequences: false).map(withoutReturn)[...]
        guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else {
            return ([], lines)
        }
        return (lines.dropFirst()[..<end], lines[(end + 1)...])
    }

    /// The scalar called `name`.
    func text(_ name: String) -> String? { lists.contains(name) ? nil : fields[name]?.first }

    /// The list called `name`, or the scalar as a list of one.
    func list(_ name: String) -> [String]? { fields[name] }

    private static func withoutReturn(_ line: Substring) -> Substring {
        line.last == "\r" ? line.dropLast() : line
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }

    /// A plain or quoted scalar without its comment; nil for null.
    private static func scalar(_ text: Substring) -> String? {
        if text.first == "\"" {
            let bytes = Array(text.utf8)
            let value = try? bytes.withUnsafeBytes { try JSONParser.parse($0, path: "front matter") }
            return value?.text ?? String(text.dropFirst().prefix { $0 != "\"" })
        }
        if text.first == "'" {
            return text.dropFirst().dropLast().split(separator: "''", omittingEmptySubsequences: false)
                .joined(separator: "'")
        }
        var plain = text
        if let comment = text.firstRange(of: " #") { plain = trimmed(text[..<comment.lowerBound]) }
        return plain.isEmpty || plain == "null" || plain == "~" ? nil : String(plain)
    }
}
