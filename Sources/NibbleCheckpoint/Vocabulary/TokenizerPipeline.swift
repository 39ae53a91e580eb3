/// What surrounds the merges in tokenizer.json: how text is prepared before, and put together after.
///
/// The regular expressions of byte-level BPE are those of the models' own tokenizer.json and of llama.cpp
/// (llama-vocab.cpp, `llm_tokenizer_bpe`).
struct TokenizerPipeline {
    var normalizer: JSONValue = .null
    var preTokenizer: JSONValue = .null
    var decoder: JSONValue
    /// Whether a word that is a token is taken whole.
    var ignoresMerges = false
    /// Whether a text begins with the token for it where the file does not say.
    var addsBeginning: Bool
    /// Whether the `transformers` library tidies spaces before punctuation when decoding.
    var cleansSpaces = false

    /// The pre-tokenizers that are written, by the names that llama.cpp knows them under.
    private static let names: [(PreTokenizer, [String])] = [
        (.fallback, ["default"]),
        (.gpt2, ["gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de"]),
        (.smollm, ["smollm", "starcoder", "refact", "command-r", "codeshell"]),
        (
            .llama3,
            ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"]
        ),
        (.qwen2, ["qwen2", "deepseek-r1-qwen"]),
    ]

    private enum PreTokenizer {
        case fallback
        case gpt2
        case smollm
        case llama3
        case qwen2
    }

    init(_ hub: HubVocabulary) throws(CheckpointError) {
        guard case .byteLevelBPE(let name) = hub.vocabulary.model else {
            self.init(sentencePiece: hub)
            return
        }
        guard let kind = Self.names.first(where: { $0.1.contains(name) })?.0 else {
            throw CheckpointError(
                .unsupported, path: hub.path, subject: "key '\(TokenizerKey.preTokenizer)'",
                "is '\(name)'; tokenizer.json can be written for: "
                    + Self.names.flatMap(\.1).sorted().joined(separator: ", "))
        }
        self.init(byteLevel: kind)
    }

    private init(byteLevel kind: PreTokenizer) {
        decoder = .members([
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
        ])
        addsBeginning = kind == .llama3
        ignoresMerges = kind == .llama3
        cleansSpaces = kind == .llama3
        if kind == .qwen2 { normalizer = .members(["type": "NFC"]) }
        preTokenizer = Self.preTokenizer(kind)
    }

    private static func preTokenizer(_ kind: PreTokenizer) -> JSONValue {
        func sequence(_ steps: [JSONValue]) -> JSONValue {
            .members(["type": "Sequence", "pretokenizers": .array(steps)])
        }
        switch kind {
        case .gpt2: return byteLevel(splits: true)
        case .smollm:
            return sequence([
                .members(["type": "Digits", "individual_digits": true]), byteLevel(splits: true),
            ])
        case .llama3:
            return sequence([split(llama3Pattern(digits: "\\p{N}{1,3}")), byteLevel(splits: false)])
        case .qwen2: return sequence([split(llama3Pattern(digits: "\\p{N}")), byteLevel(splits: false)])
        case .fallback:
            let patterns = ["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2Pattern, "\\p{N}+", "[0-9][0-9][0-9]"]
            return sequence(patterns.map(split) + [byteLevel(splits: false)])
        }
    }

    private static let gpt2Pattern =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"

    private static func llama3Pattern(digits: String) -> String {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + digits
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    }

    private static func split(_ pattern: String) -> JSONValue {
        .members([
            "type": "Split", "pattern": .members(["Regex": .string(pattern)]), "behavior": "Isolated",
            "invert": false,
        ])
    }

    /// - Parameter splits: Whether the text is first split as GPT-2 does.
    private static func byteLevel(splits: Bool) -> JSONValue {
        .members([
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": .bool(splits),
        ])
    }

    /// As `transformers` converts tokenizer.model of Gemma and Llama (convert_slow_tokenizer.py,
    /// `GemmaConverter`, `LlamaConverter`).
    private init(sentencePiece hub: HubVocabulary) {
        func replace(_ pattern: String, _ content: String) -> JSONValue {
            .members([
                "type": "Replace", "pattern": .members(["String": .string(pattern)]),
                "content": .string(content),
            ])
        }
        let escape = replace(" ", "\u{2581}")
        var steps: [JSONValue] = [
            replace("\u{2581}", " "), .members(["type": "ByteFallback"]), .members(["type": "Fuse"]),
        ]
        if hub.addsSpacePrefix {
            let prepend = JSONValue.members(["type": "Prepend", "prepend": "\u{2581}"])
            normalizer = .members(["type": "Sequence", "normalizers": .array([prepend, escape])])
            steps.append(
                .members(["type": "Strip", "content": " ", "start": .integer(1), "stop": .integer(0)]))
        } else {
            normalizer = escape
            preTokenizer = .members([
                "type": "Split", "pattern": .members(["String": " "]), "behavior": "MergedWithPrevious",
                "invert": false,
            ])
        }
        decoder = .members(["type": "Sequence", "decoders": .array(steps)])
        addsBeginning = true
    }
}

extension TokenizerPipeline {
    /// What is put around a text, in a form from which llama.cpp's converter reads the same flags again
    /// (gguf-py, vocab.py).
    func postProcessor(_ hub: HubVocabulary) -> JSONValue {
        let special = hub.vocabulary.special
        let beginning = special.addsBeginning ?? addsBeginning ? special.beginning : nil
        let end = special.addsEnd ?? false ? special.end : nil
        let saysBoth = special.addsBeginning != nil && special.addsEnd != nil
        let byteLevel = JSONValue.members([
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true,
        ])
        let isByteLevel = !hub.vocabulary.isSentencePiece
        guard beginning != nil || end != nil else { return isByteLevel && saysBoth ? byteLevel : .null }
        func sequence(_ name: String, _ type: Int) -> [JSONValue] {
            func token(_ id: Int?) -> [JSONValue] {
                guard let id else { return [] }
                return [
                    .members([
                        "SpecialToken": .members(["id": .string(hub.texts[id]), "type_id": .integer(type)])
                    ])
                ]
            }
            let text = JSONValue.members([
                "Sequence": .members(["id": .string(name), "type_id": .integer(type)])
            ])
            return token(beginning) + [text] + token(end)
        }
        let tokens = Set([beginning, end].compactMap(\.self)).sorted().map { id in
            let text = JSONValue.string(hub.texts[id])
            return JSONValue.Member(
                hub.texts[id],
                .members(["id": text, "ids": .array([.integer(id)]), "tokens": .array([text])]))
        }
        let template = JSONValue.members([
            "type": "TemplateProcessing", "single": .array(sequence("A", 0)),
            "pair": .array(sequence("A", 0) + sequence("B", 1)), "special_tokens": .object(tokens),
        ])
        guard isByteLevel, saysBoth else { return template }
        return .members(["type": "Sequence", "processors": .array([byteLevel, template])])
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral {
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A boolean.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}
