/// The front matter of a model card, from which llama.cpp's converter takes the `general.` keys of GGUF
/// (gguf-py, metadata.py).
///
/// Not carried: facts about base models and data sets that are not on Hugging Face, and the keys which the
/// converter takes from nowhere (`general.url`, `general.quantized_by` and the like).
package struct ModelCard {
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
        var fields = FrontMatterWriter()
        for (name, key) in Self.texts { fields.add(name, try Self.text(metadata, key)) }
        fields.add("language", try Self.strings(metadata, "general.languages"))
        fields.add("base_model", try Self.repositories(metadata, "general.base_model"))
        fields.add("datasets", try Self.repositories(metadata, "general.dataset"))
        // The converter puts the task behind the tags.
        var tags = try Self.strings(metadata, "general.tags")
        if tags.last == "text-generation" {
            tags.removeLast()
            fields.add("pipeline_tag", "text-generation")
        }
        fields.add("tags", tags)
        guard let text = fields.text else { return nil }
        self.text = text
    }

    /// The text for a key; nil where there is none.
    package static func text(_ metadata: GGUFMetadata, _ key: String) throws(CheckpointError) -> String? {
        guard case .string(let text) = try metadata.value(key) else { return nil }
        return text
    }

    /// The texts of the array for a key; none where there is no array.
    package static func strings(_ metadata: GGUFMetadata, _ key: String) throws(CheckpointError) -> [String] {
        try metadata.value(key)?.elements?.compactMap(\.text) ?? []
    }

    /// Names of repositories, `owner/name`: the converter makes title, organization and address of them.
    package static func repositories(
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
}
