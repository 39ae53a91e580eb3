/// The small JSON files of a tokenizer, which name its special tokens.
struct TokenizerConfiguration {
    let hub: HubVocabulary
    let architecture: Architecture
    let contextLength: Int
    let cleansSpaces: Bool

    /// tokenizer_config.json
    var json: JSONValue {
        let special = hub.vocabulary.special
        var members: [JSONValue.Member] = []
        if let adds = special.addsBeginning { members.append(.init("add_bos_token", .bool(adds))) }
        if let adds = special.addsEnd { members.append(.init("add_eos_token", .bool(adds))) }
        if let adds = addPrefixSpace { members.append(.init("add_prefix_space", .bool(adds))) }
        let listed = (0..<hub.count).filter { hub.listing($0) == .decoder }
        if !listed.isEmpty { members.append(.init("added_tokens_decoder", .object(listed.map(entry)))) }
        members += roles(withNulls: tokenizerClass == "Qwen2Tokenizer")
        if let template { members.append(.init("chat_template", template)) }
        members.append(.init("clean_up_tokenization_spaces", .bool(cleansSpaces)))
        if tokenizerClass == "LlamaTokenizer" { members.append(.init("legacy", false)) }
        members.append(.init("model_max_length", .integer(contextLength)))
        members.append(.init("tokenizer_class", .string(tokenizerClass)))
        return .object(members.sorted { $0.name < $1.name })
    }

    /// special_tokens_map.json
    var specialTokensMap: JSONValue { .object(roles(withNulls: false)) }

    /// added_tokens.json; nil where it would be empty.
    var addedTokens: JSONValue? {
        let tokens = (0..<hub.count).filter { hub.listing($0) == .file }
        return tokens.isEmpty ? nil : .object(tokens.map { .init(hub.texts[$0], .integer($0)) })
    }

    private func entry(_ token: Int) -> JSONValue.Member {
        .init(
            String(token),
            .members([
                "content": .string(hub.texts[token]), "lstrip": false, "normalized": false, "rstrip": false,
                "single_word": false, "special": .bool(hub.isSpecial(token)),
            ]))
    }

    private func roles(withNulls: Bool) -> [JSONValue.Member] {
        let roles: [(String, KeyPath<Vocabulary.SpecialTokens, Int?>)] = [
            ("bos_token", \.beginning), ("eos_token", \.end), ("pad_token", \.padding),
            ("unk_token", \.unknown),
        ]
        return roles.compactMap { name, role in
            if let text = hub.text(role) { return .init(name, .string(text)) }
            return withNulls ? .init(name, .null) : nil
        }
    }

    /// One template as text, several as a list with names.
    private var template: JSONValue? {
        let templates = hub.vocabulary.chatTemplates
        guard let first = templates.first else { return nil }
        if templates.count == 1, first.name == "default" { return .string(first.source) }
        return .array(
            templates.map { .members(["name": .string($0.name), "template": .string($0.source)]) })
    }

    /// The class of `transformers` that loads the tokenizer.
    ///
    /// Those of Gemma, Llama and Qwen build what surrounds the vocabulary themselves, and add tokens for roles
    /// that are not filled: they are named only where that agrees with the vocabulary. The plain class takes
    /// tokenizer.json as it is.
    private var tokenizerClass: String {
        let special = hub.vocabulary.special
        let hasRoles = special.beginning != nil && special.end != nil && special.unknown != nil
        switch (architecture, hub.vocabulary.model) {
        case (.gemma3, .sentencePiece):
            let hasMask = hub.index.token("<mask>") != nil
            return hasRoles && special.padding != nil && hasMask && !hub.addsSpacePrefix
                ? "GemmaTokenizer" : plainClass
        case (_, .sentencePiece): return hasRoles ? "LlamaTokenizer" : plainClass
        case (.qwen2, .byteLevelBPE("qwen2")), (.qwen3, .byteLevelBPE("qwen2")): return "Qwen2Tokenizer"
        default: return plainClass
        }
    }

    private var plainClass: String { "PreTrainedTokenizerFast" }

    /// Llama's converter copies this to GGUF. In byte-level tokenizers `true` would change the tokens, which in
    /// llama.cpp it does not.
    private var addPrefixSpace: Bool? {
        guard architecture == .llama, let adds = hub.vocabulary.addsSpacePrefix else { return nil }
        return hub.vocabulary.isSentencePiece || !adds ? adds : nil
    }
}
