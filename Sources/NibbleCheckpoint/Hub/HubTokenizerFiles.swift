/// The tokenizer files of a hub folder, parsed; absent ones are nil.
struct HubTokenizerFiles {
    let folder: String
    /// `tokenizer.json`, or what it would say where `vocab.json` and `merges.txt` stand in its place.
    let tokenizer: JSONValue?
    /// The file that ``tokenizer`` comes from.
    let tokenizerPath: String
    /// `tokenizer_config.json`
    let configuration: JSONValue?
    /// `added_tokens.json`
    let addedTokens: JSONValue?
    /// `special_tokens_map.json`
    let specialTokensMap: JSONValue?
    /// The path of `tokenizer.model`, where it exists and is one of SentencePiece.
    let sentencePiecePath: String?
    /// The added tokens of `tokenizer.json`.
    let added: [AddedToken]

    init(folder: String, architecture: Architecture) throws(CheckpointError) {
        self.folder = folder
        configuration = try Self.parse(folder, "tokenizer_config.json")
        addedTokens = try Self.parse(folder, "added_tokens.json")
        specialTokensMap = try Self.parse(folder, "special_tokens_map.json")
        let path = FilePath.join(folder, "tokenizer.model")
        let stated = try Self.parse(folder, "tokenizer.json")
        // Some folders of Llama 3 hold a tiktoken file of that name beside tokenizer.json.
        var isSentencePiece = FilePath.exists(path)
        if isSentencePiece, stated != nil, try Self.isTiktoken(path) { isSentencePiece = false }
        sentencePiecePath = isSentencePiece ? path : nil
        let merges = FilePath.join(folder, "merges.txt")
        if stated == nil, !isSentencePiece, FilePath.exists(merges) {
            tokenizer = try HubMergesFile(folder: folder, configuration, architecture).tokenizer
            tokenizerPath = merges
        } else {
            tokenizer = stated
            tokenizerPath = FilePath.join(folder, "tokenizer.json")
        }
        added = (tokenizer?["added_tokens"]?.elements ?? []).compactMap(AddedToken.init)
    }

    /// Lines of a token in base64, a space and a number.
    private static func isTiktoken(_ path: String) throws(CheckpointError) -> Bool {
        let file = try MappedFile(path: path)
        guard let line = file.bytes.prefix(4096).split(separator: UInt8(ascii: "\n")).first else {
            return false
        }
        let parts = line.split(separator: UInt8(ascii: " "))
        return parts.count == 2 && parts[1].allSatisfy { (0x30...0x39).contains($0) }
            && parts[0].allSatisfy { byte in
                let isLetter = (0x41...0x5A).contains(byte & 0xDF)
                return isLetter || (0x2F...0x39).contains(byte) || byte == 0x2B || byte == 0x3D
            }
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

    struct AddedToken {
        /// As the file states it.
        var id: Int
        var token: HubAddedTokens.Token

        init?(_ json: JSONValue) {
            guard let id = json["id"]?.integer, id >= 0, let token = HubAddedTokens.Token(json) else {
                return nil
            }
            (self.id, self.token) = (id, token)
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
