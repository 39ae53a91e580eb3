/// Special tokens and chat templates of a hub folder as llama.cpp's converter finds them (gguf-py, vocab.py,
/// `SpecialVocab`): ids in the order of their discovery, and whether each is added to a text.
struct HubSpecialTokens {
    private(set) var ids: [(role: String, id: Int)] = []
    private(set) var additions: [(role: String, adds: Bool)] = []
    private(set) var templates: [Vocabulary.ChatTemplate] = []

    /// Tokens that open, close and separate, by role. The converter may change them as it reads.
    private var names: [String: String] = [:]
    private var roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"]
    private let tokenCount: Int
    /// What was overruled or is out of range.
    private(set) var notes: [CheckpointNote] = []

    /// - Parameters:
    ///   - tokens: of the folder.
    ///   - configuration: `config.json`.
    init(
        _ files: HubTokenizerFiles, _ tokens: HubTokens, configuration: JSONValue
    ) throws(CheckpointError) {
        // Only of SentencePiece the converter checks ids; others are written as they are.
        tokenCount = tokens.scores == nil ? Int.max : tokens.tokens.count
        if let settings = files.configuration {
            for role in roles + ["eot", "eom"] { names[role] = settings["\(role)_token"]?.tokenText }
        }
        if let tokenizer = files.tokenizer {
            readPostProcessor(tokenizer, hasSettings: files.configuration != nil)
        }
        if let settings = files.configuration {
            try readTemplates(files, settings)
            for role in roles {
                if let adds = settings["add_\(role)_token"]?.flag,
                    !additions.contains(where: { $0.role == role })
                {
                    additions.append((role, adds))
                }
                guard let name = names[role],
                    let match = files.added.first(where: { ExactText($0.token.content) == ExactText(name) })
                else { continue }
                setID(tokens.added?.id(of: name) ?? match.id, for: role)
            }
        }
        for role in roles { setID(Self.stated(role, configuration)?.integer, for: role) }
        fill(from: tokens)
        noteRange(files, tokens, configuration)
        try noteEnds(files, tokens, configuration)
    }

    /// The field of config.json for the token of a role; of a multimodal model's text model where it is not outside.
    private static func stated(_ role: String, _ configuration: JSONValue) -> JSONValue? {
        let field = "\(role)_token_id"
        return [configuration[field], configuration["text_config"]?[field]].compactMap(\.self).first {
            !$0.isNull
        }
    }

    private func id(_ role: String) -> Int? { ids.first { $0.role == role }?.id }

    /// Gives the tokens for the beginning and the end that the configuration names, and llama.cpp's converter does not
    /// find in `tokenizer.json`, their numbers in the vocabulary, where a reader would take others for granted.
    private mutating func fill(from tokens: HubTokens) {
        let isSentencePiece = tokens.scores != nil
        for (role, usual) in [("bos", isSentencePiece ? 1 : nil), ("eos", isSentencePiece ? 2 : nil)] {
            guard id(role) == nil, let name = tokens.added?.names[role] ?? names[role],
                let id = tokens.number(of: name), id != usual
            else { continue }
            ids.append((role, id))
        }
    }

    /// Notes ids that no token has. They are written, and read as none.
    private mutating func noteRange(
        _ files: HubTokenizerFiles, _ tokens: HubTokens, _ configuration: JSONValue
    ) {
        let count = tokens.tokens.count
        for role in roles {
            // A number below 0 is a way to say none.
            guard let stated = Self.stated(role, configuration)?.integer, stated >= count else { continue }
            let own = id(role).flatMap { $0 < count ? $0 : nil }
            notes.append(
                CheckpointNote(
                    path: FilePath.join(files.folder, "config.json"), subject: "'\(role)_token_id'",
                    "is \(stated), there are \(count) tokens; "
                        + (own.map { "the tokenizer's own, \($0), counts" } ?? "read as none")))
        }
        for role in ["bos", "eos"] {
            guard let id = id(role), id < count, tokens.kinds[id] == .normal || tokens.kinds[id] == .byte
            else {
                continue
            }
            notes.append(
                CheckpointNote(
                    path: files.folder, subject: "'\(role)_token_id'",
                    "is \(id), '\(tokens.tokens[id])', which is a token of text and no special one"))
        }
        for (role, id) in ids where id >= count && Self.stated(role, configuration)?.integer != id {
            notes.append(
                CheckpointNote(
                    path: files.folder, subject: "'\(role)_token'",
                    "has the number \(id), there are \(count) tokens; read as none"))
        }
    }

    /// Notes ends of a text that the files do not agree on, which decides whether a generation ends.
    private mutating func noteEnds(
        _ files: HubTokenizerFiles, _ tokens: HubTokens, _ configuration: JSONValue
    ) throws(CheckpointError) {
        guard let end = id("eos") else { return }
        if end < tokens.tokens.count, let name = names["eos"], let own = tokens.number(of: name), own != end {
            notes.append(
                CheckpointNote(
                    path: FilePath.join(files.folder, "tokenizer_config.json"), subject: "'eos_token'",
                    "is '\(name)', number \(own), which tokenizer.json does not list; \(end), from config.json, counts, as "
                        + "in llama.cpp"))
        }
        let generation = try HubTokenizerFiles.parse(files.folder, "generation_config.json")
        let stated = [
            ("config.json", Self.stated("eos", configuration)),
            ("generation_config.json", generation?["eos_token_id"]),
        ].compactMap { name, value in Self.numbers(value).map { (name, $0) } }
        // One of them may know more ends than the tokenizer, which names one; of ids out of range see above.
        guard !stated.isEmpty, !stated.contains(where: { $0.1.contains(end) }),
            stated.contains(where: { $0.1.contains { $0 < tokens.tokens.count } })
        else { return }
        let others = stated.map { name, ids in "\(ids.map(String.init).joined(separator: ", ")) in \(name)" }
        notes.append(
            CheckpointNote(
                path: files.folder, subject: "'eos_token_id'",
                "is \(others.joined(separator: " and ")); the tokenizer's own, \(end), counts, as in llama.cpp"
            ))
    }

    private static func numbers(_ value: JSONValue?) -> [Int]? {
        guard let value, !value.isNull else { return nil }
        if let id = value.integer { return [id] }
        return value.elements?.compactMap(\.integer)
    }

    private mutating func setID(_ id: Int?, for role: String) {
        guard let id, id >= 0, id < tokenCount, !ids.contains(where: { $0.role == role }) else { return }
        ids.append((role, id))
    }

    private mutating func setAddition(_ role: String, _ adds: Bool, replacing: Bool = true) {
        if let index = additions.firstIndex(where: { $0.role == role }) {
            if replacing { additions[index].adds = adds }
        } else {
            additions.append((role, adds))
        }
    }

    private mutating func readPostProcessor(_ tokenizer: JSONValue, hasSettings: Bool) {
        if hasSettings {
            names["bos"] = names["bos"] ?? names["cls"]
            names["eos"] = names["eos"] ?? names["sep"]
        }
        guard let processor = tokenizer["post_processor"], !processor.isNull else { return }
        for step in processor["processors"]?.elements ?? [processor] {
            switch step["type"]?.text {
            case "ByteLevel":
                setAddition("bos", false, replacing: false)
                setAddition("eos", false, replacing: false)
            case "TemplateProcessing": readTemplate(step, hasSettings: hasSettings)
            default: break
            }
        }
    }

    private static func special(_ item: JSONValue?) -> String? { item?["SpecialToken"]?["id"]?.text }

    /// Whether the template puts tokens around a text, and between the two of a pair.
    private mutating func readTemplate(_ step: JSONValue, hasSettings: Bool) {
        let single = step["single"]?.elements ?? []
        let first = single.count > 1 ? Self.special(single.first) : nil
        let last = single.count > 1 ? Self.special(single.last) : nil
        if let first {
            if !hasSettings || (names["bos"] == nil && names["cls"] != first) { names["bos"] = first }
            if hasSettings, names["cls"] == nil, names["bos"] != first { names["cls"] = first }
            setAddition("bos", first == names["bos"] || first == names["cls"])
        }
        if let last {
            if hasSettings, last != names["eos"] {
                let spare = ["eot", "eom"].first { !roles.contains($0) }
                if let spare {
                    roles.append(spare)
                    names[spare] = names["eos"]
                }
            }
            names["eos"] = last
            setAddition("eos", true)
        }
        readPair(step["pair"]?.elements ?? [], first: first, last: last)
    }

    private mutating func readPair(_ pair: [JSONValue], first: String?, last: String?) {
        var pair = pair[...]
        if first != nil, Self.special(pair.first) == first { pair = pair.dropFirst() }
        if last != nil, Self.special(pair.last) == last { pair = pair.dropLast() }
        guard pair.first?["Sequence"]?["id"]?.text == "A", pair.last?["Sequence"]?["id"]?.text == "B" else {
            return
        }
        let between = Array(pair.dropFirst().dropLast())
        guard !between.isEmpty else { return }
        let separators = [names["sep"], names["eos"]].compactMap(\.self)
        var adds = false
        if let entry = Self.special(between[0]), separators.contains(entry), last == nil { adds = true }
        if between.count == 2, let entry = Self.special(between[1]), separators.contains(entry) {
            adds = true
        }
        setAddition("sep", adds)
        if adds, names["sep"] == nil { names["sep"] = names["eos"] }
    }

    private mutating func readTemplates(_ files: HubTokenizerFiles, _ settings: JSONValue)
        throws(CheckpointError)
    {
        if let value = settings["chat_template"], !value.isNull {
            templates = Self.templates(value)
            try noteTemplates(files)
        } else if let source = try HubTokenizerFiles.text(files.folder, "chat_template.jinja") {
            templates = [.init(source: source)]
            let folder = FilePath.join(files.folder, HubFile.additionalTemplates)
            for name in FilePath.names(in: folder) where name.hasSuffix(".jinja") {
                guard let source = try HubTokenizerFiles.text(folder, name) else { continue }
                templates.append(.init(name: String(name.dropLast(6)).keyName, source: source))
            }
        } else if let value = try HubTokenizerFiles.parse(files.folder, "chat_template.json")?[
            "chat_template"]
        {
            templates = Self.templates(value)
        }
    }

    /// `transformers` prefers chat_template.jinja, llama.cpp's converter tokenizer_config.json.
    private mutating func noteTemplates(_ files: HubTokenizerFiles) throws(CheckpointError) {
        guard let other = try HubTokenizerFiles.text(files.folder, "chat_template.jinja"),
            let own = templates.first(where: { $0.name == "default" }), own.source != other
        else { return }
        notes.append(
            CheckpointNote(
                path: FilePath.join(files.folder, "chat_template.jinja"),
                "differs from the chat template in tokenizer_config.json, which is taken, as in llama.cpp "
                    + "(transformers takes chat_template.jinja)"))
    }

    /// One template, or a list of named ones.
    private static func templates(_ value: JSONValue) -> [Vocabulary.ChatTemplate] {
        if let source = value.text { return [.init(source: source)] }
        return (value.elements ?? []).compactMap { entry in
            guard let name = entry["name"]?.text?.keyName, let source = entry["template"]?.text else {
                return nil
            }
            return .init(name: name, source: source)
        }
    }
}

extension String {
    /// The name of a template as a part of a key: letters and digits, `_` for all else (gguf-py, gguf_writer.py,
    /// `add_chat_template`).
    fileprivate var keyName: String {
        String(
            unicodeScalars.map { scalar -> Character in
                scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                    ? Character(scalar) : "_"
            })
    }
}
