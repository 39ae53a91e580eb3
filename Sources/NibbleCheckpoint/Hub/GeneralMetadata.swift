/// The `general.` keys of a hub folder as llama.cpp's converter writes them (gguf-py, metadata.py): from the model
/// card, then the configuration, then the name of the folder.
struct GeneralMetadata {
    private let card: FrontMatter
    private let nameOrPath: String?
    private let folderName: String
    private let generation: JSONValue?

    init(folder: String, configuration: JSONValue) throws(CheckpointError) {
        card = FrontMatter(try HubTokenizerFiles.text(folder, "README.md") ?? "")
        nameOrPath = configuration["_name_or_path"]?.text
        folderName = FilePath.absoluteName(of: folder)
        generation = try HubTokenizerFiles.parse(folder, "generation_config.json")
    }

    /// - Parameter parameterCount: elements of all tensors that are written.
    func entries(parameterCount: Int) -> [(key: String, value: GGUFValue)] {
        var entries = sampling
        func add(_ key: String, _ text: String?) {
            if let text { entries.append(("general." + key, .string(text))) }
        }
        var names: [ModelName] = []
        if let nameOrPath, !nameOrPath.isEmpty, nameOrPath.count(where: { $0 == "/" }) <= 1 {
            names.append(ModelName(nameOrPath, parameterCount: parameterCount))
        }
        names.append(ModelName(folderName, parameterCount: parameterCount))
        func first(_ keys: [String], _ part: (ModelName) -> String?) -> String? {
            keys.lazy.compactMap(card.text).first ?? names.lazy.compactMap(part).first
        }
        add("name", first(["name", "model_name"]) { $0.full.map(ModelName.title) })
        add("author", first(["author", "model_author", "model_creator"]) { _ in nil })
        add("version", first(["version", "model_version"], \.version))
        add(
            "organization",
            first(["organization", "model_organization"]) { $0.organization.map(ModelName.title) })
        add("finetune", first(["finetune", "model_finetune"], \.finetune))
        add("basename", first(["basename", "model_basename", "model_type"], \.base))
        add("description", first(["description", "model_description"]) { _ in nil })
        add(
            "size_label",
            first(["size_label", "model_size_label"], \.size) ?? ModelName.sizeLabel(parameterCount))
        add("license", card.list("license")?.joined(separator: ","))
        add("license.name", card.text("license_name"))
        add("license.link", card.text("license_link"))
        add("source.url", first(["url", "model_url"]) { _ in nil })
        add("source.doi", first(["doi", "model_doi"]) { _ in nil })
        add("source.uuid", first(["uuid", "model_uuid"]) { _ in nil })
        add("source.repo_url", first(["repo_url", "model_repo_url"]) { _ in nil })
        entries += repositories(
            ["base_model", "base_models", "base_model_sources"], "base_model", parameterCount)
        entries += repositories(["datasets", "dataset", "dataset_sources"], "dataset", parameterCount)
        if let tags = joined(["tags", "pipeline_tag"]) { entries.append(("general.tags", .strings(tags))) }
        if let languages = joined(["languages", "language"]) {
            entries.append(("general.languages", .strings(languages)))
        }
        return entries
    }

    private func joined(_ names: [String]) -> [String]? {
        let lists = names.compactMap(card.list)
        return lists.isEmpty ? nil : lists.flatMap(\.self)
    }

    /// How the makers recommend to sample, with the types of llama.cpp's keys.
    private var sampling: [(key: String, value: GGUFValue)] {
        var entries: [(key: String, value: GGUFValue)] = []
        func number(_ key: String, _ names: String...) {
            guard let value = names.lazy.compactMap({ generation?[$0]?.real }).first else { return }
            entries.append(("general.sampling." + key, .float32(Float(value))))
        }
        func integer(_ key: String, _ name: String) {
            guard let value = generation?[name]?.integer, let small = Int32(exactly: value) else { return }
            entries.append(("general.sampling." + key, .int32(small)))
        }
        if let text = generation?["sequence"]?.text {
            entries.append(("general.sampling.sequence", .string(text)))
        }
        integer("top_k", "top_k")
        number("top_p", "top_p")
        number("min_p", "min_p")
        number("xtc_probability", "xtc_probability")
        number("xtc_threshold", "xtc_threshold")
        number("temp", "temperature")
        integer("penalty_last_n", "penalty_last_n")
        number("penalty_repeat", "penalty_repeat", "repetition_penalty")
        integer("mirostat", "mirostat")
        number("mirostat_tau", "mirostat_tau")
        number("mirostat_eta", "mirostat_eta")
        return entries
    }

    /// Models or data sets that this one was made of: name, version, organization and address of each.
    private func repositories(
        _ names: [String], _ key: String, _ parameterCount: Int
    ) -> [(key: String, value: GGUFValue)] {
        guard let list = names.lazy.compactMap(card.list).first else { return [] }
        let hub = "https://huggingface.co/"
        var entries: [(key: String, value: GGUFValue)] = [
            ("general.\(key).count", .uint32(UInt32(clamping: list.count)))
        ]
        for (index, id) in list.enumerated() {
            func add(_ part: String, _ text: String?) {
                if let text { entries.append(("general.\(key).\(index).\(part)", .string(text))) }
            }
            let isAddress = ["http://", "https://", "ssh://"].contains { id.hasPrefix($0) }
            let path = id.hasPrefix(hub) ? String(id.dropFirst(hub.count)) : id
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            if !isAddress || (id.hasPrefix(hub) && parts.count == 2 && !parts.contains("")) {
                let name = ModelName(path, parameterCount: parameterCount)
                add("name", name.full.map(ModelName.title))
                add("version", name.version)
                add("organization", name.organization.map(ModelName.title))
                if !isAddress, let organization = name.organization, let full = name.full {
                    add("repo_url", "\(hub)\(organization)/\(full)")
                }
            }
            if isAddress { add("repo_url", id) }
        }
        return entries
    }
}
