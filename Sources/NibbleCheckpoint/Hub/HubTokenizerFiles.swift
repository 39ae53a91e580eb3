/// The tokenizer files of a hub folder, parsed; absent ones are nil.
struct HubTokenizerFiles {
    let folder: String
    /// `tokenizer.json`
    let tokenizer: JSONValue?
    /// `tokenizer_config.json`
    let configuration: JSONValue?
    /// `added_tokens.json`
    let addedTokens: JSONValue?
    /// The path of `tokenizer.model`, where it exists.
    let sentencePiecePath: String?

    init(folder: String) throws(CheckpointError) {
        self.folder = folder
        tokenizer = try Self.parse(folder, "tokenizer.json")
        configuration = try Self.parse(folder, "tokenizer_config.json")
        addedTokens = try Self.parse(folder, "added_tokens.json")
        let path = FilePath.join(folder, "tokenizer.model")
        sentencePiecePath = FilePath.exists(path) ? path : nil
    }

    /// A JSON file of the folder; nil where there is none.
    static func parse(_ folder: String, _ name: String) throws(CheckpointError) -> JSONValue? {
        let path = FilePath.join(folder, name)
        return FilePath.exists(path) ? try JSONParser.parse(path: path) : nil
    }

    /// A text file of the folder; nil where there is none.
    static func text(_ folder: String, _ name: String) throws(CheckpointError) -> String? {
        let path = FilePath.join(folder, name)
        guard FilePath.exists(path) else { return nil }
        let file = try MappedFile(path: path)
        guard let text = String(validating: file.bytes, as: UTF8.self) else {
            throw CheckpointError(.malformed, path: path, "is not valid UTF-8")
        }
        return text
    }

    /// The added tokens of `tokenizer.json`.
    var added: [AddedToken] { (tokenizer?["added_tokens"]?.elements ?? []).compactMap(AddedToken.init) }

    struct AddedToken {
        var id: Int
        var content: String
        var isSpecial: Bool

        init?(_ json: JSONValue) {
            guard let id = json["id"]?.integer, id >= 0, let content = json["content"]?.text else {
                return nil
            }
            self.id = id
            self.content = content
            isSpecial = json["special"]?.flag ?? false
        }
    }
}

extension String {
    /// Whether a token is taken for a control token whatever its file says (llama.cpp, conversion/base.py,
    /// `does_token_look_special`).
    var looksSpecial: Bool {
        func has(_ prefix: String, _ suffix: String) -> Bool {
            utf8.starts(with: prefix.utf8) && utf8.reversed().starts(with: suffix.utf8.reversed())
        }
        return ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(self) || has("<|", "|>") || has("<｜", "｜>")
            || has("<unused", ">")
    }

    /// Every U+2581 replaced by a space, as GGUF stores the text of user-defined tokens.
    var withSpaces: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 }))
    }
}
