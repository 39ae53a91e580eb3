/// Writes the YAML front matter of a model card: scalars and lists of scalars in order.
package struct FrontMatterWriter {
    private var lines: [String] = []

    /// No fields.
    package init() {}

    /// Adds a field; nil is left out.
    package mutating func add(_ name: String, _ text: String?) {
        guard let text else { return }
        lines.append("\(name): \(Self.scalar(text))")
    }

    /// Adds a list; an empty one is left out.
    package mutating func add(_ name: String, _ items: [String]) {
        guard !items.isEmpty else { return }
        lines.append("\(name):")
        lines += items.map { "- " + Self.scalar($0) }
    }

    /// The fields between two rules; nil without any.
    package var text: String? {
        lines.isEmpty ? nil : (["---"] + lines + ["---"]).joined(separator: "\n") + "\n"
    }

    /// A YAML scalar: plain where nothing in it could mean anything else, else in double quotes, whose escapes
    /// are those of JSON.
    private static func scalar(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "/"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        let startsWithLetter = text.utf8.first.map { $0 >= UInt8(ascii: "A") } ?? false
        guard isPlain, startsWithLetter, !reserved.contains(text.lowercased()) else {
            return JSONValue.string(text).serialized(pretty: false)
        }
        return text
    }
}
