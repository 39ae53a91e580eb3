/// The tokens that the files of a hub folder add to the vocabulary of a tokenizer, as `transformers` 5 arrives at them:
/// those of `tokenizer.json`, then what `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` add,
/// then their flags (tokenization_utils_base.py, `_from_pretrained`; tokenization_utils_tokenizers.py).
///
/// No file's own numbers count, only contents and order (tokenizers, added_vocabulary.rs, `add_tokens`): a token that is
/// known keeps its number, another one gets the next.
struct HubAddedTokens {
    struct Token: Equatable {
        var content: String
        /// Whether it is left out when tokens become text.
        var isSpecial: Bool
        /// Whether spaces beside it belong to it, or it is found between words only; llama.cpp has no such tokens.
        var isParticular = false
    }

    /// Tokens by number, in order.
    private(set) var tokens: [(id: Int, token: Token)] = []
    /// The texts of the tokens with a role, by its name: `bos`, `eos`.
    private(set) var names: [String: String] = [:]
    /// Tokens whose number is not the one that a file states.
    private(set) var moved: [(content: String, stated: Int, id: Int)] = []

    private static let roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"]

    private var ids: [ExactText: Int] = [:]
    private var added: [Int: Token] = [:]

    /// - Parameters:
    ///   - tokenizerClass: the class of `transformers` that loads the tokenizer, nil for one without defaults.
    ///   - vocabularyCount: tokens of the vocabulary itself.
    ///   - vocabularyID: numbers of some of its tokens by their text.
    init(
        _ files: HubTokenizerFiles, tokenizerClass: TokenizerClass?, vocabularyCount: Int,
        vocabularyID: (Set<ExactText>) -> [ExactText: Int]
    ) {
        var named = Named(files.configuration)
        let listed = Self.listed(files, &named)
        named.fill(defaultsOf: tokenizerClass)
        for role in Self.roles { names[role] = named.roles[role] }
        let first = files.tokenizer == nil ? [] : files.added.map { ($0.id, Token($0)) }
        let named1 = Set(named.all.map(ExactText.init))
        var later = listed.sorted { $0.key < $1.key }.map(\.value)
        var have = Set((first.map(\.1) + later).map { ExactText($0.content) })
        for index in later.indices where named1.contains(ExactText(later[index].content)) {
            later[index].isSpecial = true
        }
        for text in named.all + named.extra where have.insert(ExactText(text)).inserted {
            later.append(Token(content: text, isSpecial: true))
        }
        var last: [Token] = []
        if tokenizerClass == .qwen2 {
            last = (named.all + named.extra).map { Token(content: $0, isSpecial: true) }
        }
        let known = vocabularyID(Set((first.map(\.1) + later + last).map { ExactText($0.content) }))
        add(first.map(\.1), known, vocabularyCount)
        add(later, known, vocabularyCount)
        add(last, known, vocabularyCount)
        tokens = added.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        for (stated, token) in first + listed.map({ ($0.key, $0.value) }) {
            guard let id = ids[ExactText(token.content)], id != stated,
                !moved.contains(where: { $0.content == token.content })
            else { continue }
            moved.append((token.content, stated, id))
        }
        moved.sort { $0.id < $1.id }
    }

    /// A batch of `add_tokens`.
    private mutating func add(_ batch: [Token], _ known: [ExactText: Int], _ count: Int) {
        let largest = added.keys.max() ?? -1
        var next = largest >= count ? largest + 1 : count
        for token in batch where !token.content.isEmpty {
            let text = ExactText(token.content)
            let id: Int
            if let found = ids[text] ?? known[text] {
                id = found
            } else {
                id = next
                next += 1
            }
            ids[text] = id
            added[id] = token
        }
    }

    /// What `added_tokens_decoder` lists or, where that is not there, `added_tokens.json` and `tokenizer.json`.
    private static func listed(_ files: HubTokenizerFiles, _ named: inout Named) -> [Int: Token] {
        var listed: [Int: Token] = [:]
        if let decoder = files.configuration?["added_tokens_decoder"]?.members {
            for member in decoder {
                guard let id = Int(member.name), let token = Token(member.value) else { continue }
                listed[id] = token
            }
            return listed
        }
        named.take(files.specialTokensMap)
        let special = Set((named.all + named.extra).map(ExactText.init))
        for member in files.addedTokens?.members ?? [] {
            guard let id = member.value.integer else { continue }
            listed[id] = Token(content: member.name, isSpecial: special.contains(ExactText(member.name)))
        }
        for token in files.added { listed[token.id] = Token(token) }
        return listed
    }

    /// Texts of tokens that the configuration of a tokenizer names.
    private struct Named {
        var roles: [String: String] = [:]
        /// Roles that the configuration states, if only as null.
        private var stated: Set<String> = []
        /// `image_token` and the like, in order.
        private var others: [(role: String, text: String)] = []
        /// `extra_special_tokens`, or `additional_special_tokens` as it was called.
        var extra: [String] = []

        init(_ settings: JSONValue?) { take(settings) }

        /// All but the extra ones: the standard roles first.
        var all: [String] { HubAddedTokens.roles.compactMap { roles[$0] } + others.map(\.text) }

        mutating func take(_ settings: JSONValue?) {
            for member in settings?.members ?? [] where member.name.hasSuffix("_token") {
                let role = String(member.name.dropLast(6))
                let text = member.value.text ?? member.value["content"]?.text
                guard HubAddedTokens.roles.contains(role) else {
                    if let text, !role.hasPrefix("add_") { set(role, text) }
                    continue
                }
                stated.insert(role)
                roles[role] = text
            }
            let list = settings?["extra_special_tokens"]
            for member in list?.members ?? [] {
                if let text = member.value.text ?? member.value["content"]?.text { set(member.name, text) }
            }
            let isFilled = list?.elements?.isEmpty == false
            let elements = isFilled ? list?.elements : settings?["additional_special_tokens"]?.elements
            for element in elements ?? [] {
                guard let text = element.text ?? element["content"]?.text, !extra.contains(text) else {
                    continue
                }
                extra.append(text)
            }
        }

        private mutating func set(_ role: String, _ text: String) {
            if let index = others.firstIndex(where: { $0.role == role }) {
                others[index].text = text
            } else {
                others.append((role, text))
            }
        }

        mutating func fill(defaultsOf tokenizerClass: TokenizerClass?) {
            for (role, text) in tokenizerClass?.defaults ?? [:] where !stated.contains(role) {
                roles[role] = text
            }
        }
    }
}

extension HubAddedTokens.Token {
    init?(_ json: JSONValue) {
        guard let content = json["content"]?.text else { return nil }
        self.content = content
        isSpecial = json["special"]?.flag ?? false
        isParticular = ["lstrip", "rstrip", "single_word"].contains { json[$0]?.flag == true }
    }

    init(_ token: HubTokenizerFiles.AddedToken) {
        content = token.content
        isSpecial = token.isSpecial
        isParticular = token.isParticular
    }
}

/// The classes of `transformers` for byte-level BPE that have tokens of their own for roles which are not filled.
enum TokenizerClass {
    case qwen2
    case gpt2

    /// The class that `transformers` takes for a folder (models/auto/tokenization_auto.py): for Qwen 2 always its own.
    init?(_ settings: JSONValue?, _ architecture: Architecture) {
        let stated = settings?["tokenizer_class"]?.text
        let name = stated.map { $0.hasSuffix("Fast") ? String($0.dropLast(4)) : $0 }
        switch (architecture, name) {
        case (.qwen2, _), (.qwen3, nil), (_, "Qwen2Tokenizer"): self = .qwen2
        case (_, "GPT2Tokenizer"): self = .gpt2
        default: return nil
        }
    }

    var defaults: [String: String] {
        let text = "<|endoftext|>"
        return switch self {
        case .qwen2: ["unk": text, "eos": text, "pad": text]
        case .gpt2: ["bos": text, "eos": text, "unk": text]
        }
    }
}
