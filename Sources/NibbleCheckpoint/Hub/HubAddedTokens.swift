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
        /// Whether it takes spaces beside it along, or is found between words only (`lstrip`, `rstrip`, `single_word`);
        /// llama.cpp has no such tokens.
        var hasMatchingOptions = false
    }

    /// Tokens by number, in order.
    private(set) var tokens: [(id: Int, token: Token)] = []
    /// The texts of the tokens with a role, by its name: `bos`, `eos`.
    private(set) var names: [String: String] = [:]
    /// Tokens whose number is not the one that a file states, in order.
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
        var roles = RoleTexts(files.configuration)
        let configured = Self.configured(files, &roles)
        roles.fill(defaultsOf: tokenizerClass)
        for role in Self.roles { names[role] = roles.texts[role] }
        let stated = files.tokenizer == nil ? [] : files.added.map { ($0.id, $0.token) }
        var batches = [stated.map(\.1), Self.marked(configured.map(\.1), roles, after: stated.map(\.1))]
        // The class of Qwen 2 takes the tokens with roles once more, as special ones.
        if tokenizerClass == .qwen2 {
            batches.append(roles.all.map { Token(content: $0, isSpecial: true) })
        }
        let known = vocabularyID(Set(batches.joined().map { ExactText($0.content) }))
        for batch in batches { add(batch, known, vocabularyCount) }
        tokens = added.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        findMoved(stated + configured)
    }

    /// The number of a token with this text; nil where no file adds one.
    func id(of text: String) -> Int? { ids[ExactText(text)] }

    /// Configured tokens as they are added: special where they have a role, and behind them the tokens of roles that no
    /// file lists.
    private static func marked(_ configured: [Token], _ roles: RoleTexts, after stated: [Token]) -> [Token] {
        let named = Set(roles.ofRoles.map(ExactText.init))
        var tokens = configured
        for index in tokens.indices where named.contains(ExactText(tokens[index].content)) {
            tokens[index].isSpecial = true
        }
        var seen = Set((stated + tokens).map { ExactText($0.content) })
        for text in roles.all where seen.insert(ExactText(text)).inserted {
            tokens.append(Token(content: text, isSpecial: true))
        }
        return tokens
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

    private mutating func findMoved(_ statements: [(Int, Token)]) {
        var seen: Set<ExactText> = []
        for (stated, token) in statements {
            let text = ExactText(token.content)
            guard let id = ids[text], id != stated, seen.insert(text).inserted else { continue }
            moved.append((token.content, stated, id))
        }
        moved.sort { $0.id < $1.id }
    }

    /// What `added_tokens_decoder` lists or, where that is not there, `added_tokens.json` and `tokenizer.json`, by the
    /// numbers that they state.
    private static func configured(_ files: HubTokenizerFiles, _ roles: inout RoleTexts) -> [(Int, Token)] {
        var listed: [Int: Token] = [:]
        if let decoder = files.configuration?["added_tokens_decoder"]?.members {
            for member in decoder {
                guard let id = Int(member.name), let token = Token(member.value) else { continue }
                listed[id] = token
            }
        } else {
            roles.take(files.specialTokensMap)
            let special = Set(roles.all.map(ExactText.init))
            for member in files.addedTokens?.members ?? [] {
                guard let id = member.value.integer else { continue }
                listed[id] = Token(content: member.name, isSpecial: special.contains(ExactText(member.name)))
            }
            for token in files.added { listed[token.id] = token.token }
        }
        return listed.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Texts of tokens that the configuration of a tokenizer names.
    private struct RoleTexts {
        var texts: [String: String] = [:]
        /// Roles that the configuration states, if only as null.
        private var stated: Set<String> = []
        /// `image_token` and the like, in order.
        private var others: [(role: String, text: String)] = []
        /// `extra_special_tokens`, or `additional_special_tokens` as it was called.
        private var extra: [String] = []
        private var extraTexts: Set<ExactText> = []

        init(_ settings: JSONValue?) { take(settings) }

        /// Those of roles, the standard ones first.
        var ofRoles: [String] { HubAddedTokens.roles.compactMap { texts[$0] } + others.map(\.text) }

        /// Those of roles, then the extra ones.
        var all: [String] { ofRoles + extra }

        mutating func take(_ settings: JSONValue?) {
            for member in settings?.members ?? [] where member.name.hasSuffix("_token") {
                let role = String(member.name.dropLast(6))
                let text = member.value.tokenText
                guard HubAddedTokens.roles.contains(role) else {
                    if let text, !role.hasPrefix("add_") { set(role, text) }
                    continue
                }
                stated.insert(role)
                texts[role] = text
            }
            let list = settings?["extra_special_tokens"]
            for member in list?.members ?? [] {
                if let text = member.value.tokenText { set(member.name, text) }
            }
            let isFilled = list?.elements?.isEmpty == false
            let elements = isFilled ? list?.elements : settings?["additional_special_tokens"]?.elements
            for element in elements ?? [] {
                guard let text = element.tokenText,
                    extraTexts.insert(ExactText(text)).inserted
                else { continue }
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
                texts[role] = text
            }
        }
    }
}

extension HubAddedTokens.Token {
    init?(_ json: JSONValue) {
        guard let content = json["content"]?.text else { return nil }
        self.content = content
        isSpecial = json["special"]?.flag ?? false
        hasMatchingOptions = ["lstrip", "rstrip", "single_word"].contains { json[$0]?.flag == true }
    }
}

extension JSONValue {
    /// The text of a token, given as such or as an added token.
    var tokenText: String? { text ?? self["content"]?.text }
}
