/// The front matter of a model card, from which llama.cpp's converter takes the `general.` keys of GGUF
/// (gguf-py, metadata.py).
///
/// Not carried: facts about base models and data sets that are not on Hugging Face, and the keys which the
/// converter takes from nowhere (`general.url`, `general.quantized_by` and the like).
struct ModelCard {
    /// The file.
    let text: String

    /// Keys that are one text, with their names in the card.
    private static let texts = [
        ("license", "general.license"), ("license_name", "general.license.name"),
        ("license_link", "general.license.link"), ("name", "general.name"), ("author", "general.author"),
        ("version", "general.version"), ("organization", "general.organization"),
        ("finetune", "general.finetune"), ("basename", "general.basename"),
        ("description", "general.description"), ("url", "general.source.url"), ("doi", "general.source.doi"),
        ("uuid", "general.source.uuid"), ("repo_url", "general.source.repo_url"),
    ]

    /// What `metadata` says of the model; nil where it says nothing.
    init?(_ metadata: GGUFMetadata) throws(CheckpointError) {
        var lines: [String] = []
        for (name, key) in Self.texts {
            if case .string(let text) = try metadata.value(key) {
                lines.append("\(name): \(Self.scalar(text))")
            }
        }
        func list(_ name: String, _ items: [String]) {
            guard !items.isEmpty else { return }
            lines.append("\(name):")
            lines += items.map { "- " + Self.scalar($0) }
        }
        list("language", try Self.strings(metadata, "general.languages"))
        list("base_model", try Self.repositories(metadata, "general.base_model"))
        list("datasets", try Self.repositories(metadata, "general.dataset"))
        // The converter puts the task behind the tags.
        var tags = try Self.strings(metadata, "general.tags")
        if tags.last == "text-generation" {
            tags.removeLast()
            lines.append("pipeline_tag: text-generation")
        }
        list("tags", tags)
        guard !lines.isEmpty else { return nil }
        text = (["---"] + lines + ["---"]).joined(separator: "\n") + "\n"
    }

    private static func strings(_ metadata: GGUFMetadata, _ key: String) throws(CheckpointError) -> [String] {
        try metadata.value(key)?.elements?.compactMap(\.text) ?? []
    }

    /// Names of repositories, `owner/name`: the converter makes title, organization and address of them.
    private static func repositories(
        _ metadata: GGUFMetadata, _ key: String
    ) throws(CheckpointError) -> [String] {
        let prefix = "https://huggingface.co/"
        var names: [String] = []
        let count = min(try metadata.value("\(key).count")?.integer ?? 0, metadata.entries.count)
        for index in 0..<max(count, 0) {
            guard case .string(let url) = try metadata.value("\(key).\(index).repo_url"),
                url.utf8.starts(with: prefix.utf8)
            else { continue }
            names.append(String(url.dropFirst(prefix.count)))
        }
        return names
    }

    /// A YAML scalar: plain where nothing in it could mean anything else, else in double quotes, whose escapes
    /// are those of JSON.
    private static func scalar(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "/"),
                UInt8(ascii: "_"):
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
