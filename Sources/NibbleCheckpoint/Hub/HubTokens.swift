/// Tokens, scores and kinds of a hub folder in the form of GGUF, as llama.cpp's converter makes them
/// (conversion/base.py).
struct HubTokens {
    var model: String
    var preTokenizer: String
    var tokens: [String]
    var scores: [Float]?
    var kinds: [Vocabulary.TokenKind]
    var merges: [String]?

    /// - Parameter vocabularySize: rows of the embedding that stand for tokens; those that the files do not name
    ///   become `[PADn]`.
    init(_ files: HubTokenizerFiles, _ configuration: ModelConfiguration) throws(CheckpointError) {
        if files.sentencePiecePath != nil {
            try self.init(sentencePiece: files, configuration.vocabularySize)
        } else if let tokenizer = files.tokenizer {
            if tokenizer["model"]?["byte_fallback"]?.flag == true {
                try self.init(mergesAsScores: files, tokenizer, configuration.vocabularySize)
            } else {
                try self.init(byteLevel: files, tokenizer, configuration.vocabularySize)
            }
        } else {
            throw CheckpointError(
                .missing, path: files.folder, "has neither tokenizer.model nor tokenizer.json",
                advice: "the download may be incomplete")
        }
        try check(files)
    }

    private init(padding count: Int, model: String, preTokenizer: String, hasScores: Bool) {
        self.model = model
        self.preTokenizer = preTokenizer
        tokens = (0..<count).map { "[PAD\($0)]" }
        kinds = Array(repeating: .unused, count: count)
        scores = hasScores ? Array(repeating: -10000, count: count) : nil
    }

    /// `_create_vocab_sentencepiece`: the pieces, then what added tokens say of them.
    private init(sentencePiece files: HubTokenizerFiles, _ count: Int) throws(CheckpointError) {
        self.init(padding: count, model: "llama", preTokenizer: "default", hasScores: true)
        let pieces = try SentencePieceModel(path: files.sentencePiecePath ?? "").pieces
        for (id, piece) in pieces.prefix(count).enumerated() {
            tokens[id] = piece.text
            scores?[id] = piece.score
            // User-defined pieces count as normal until tokenizer_config.json names them.
            kinds[id] = piece.kind == .userDefined ? .normal : piece.kind
        }
        for member in files.addedTokens?.members ?? [] {
            guard let id = member.value.integer, (0..<count).contains(id) else { continue }
            tokens[id] = member.name
            scores?[id] = -1000
            kinds[id] = .userDefined
        }
        for member in files.configuration?["added_tokens_decoder"]?.members ?? [] {
            guard let id = Int(member.name), (0..<count).contains(id),
                let content = member.value["content"]?.text
            else { continue }
            let isControl = member.value["special"]?.flag == true || content.looksSpecial
            tokens[id] = isControl ? content : content.withSpaces
            scores?[id] = -1000
            kinds[id] = isControl ? .control : .userDefined
        }
    }

    /// SentencePiece from the BPE with byte fallback that `transformers` makes of it: a token's score is the
    /// negative rank of the first merge that makes it. llama.cpp's converter would write another tokenizer here,
    /// so that the same text gives other tokens.
    private init(
        mergesAsScores files: HubTokenizerFiles, _ tokenizer: JSONValue, _ count: Int
    ) throws(CheckpointError) {
        self.init(padding: count, model: "llama", preTokenizer: "default", hasScores: true)
        var ids: [ExactText: Int] = [:]
        for member in tokenizer["model"]?["vocab"]?.members ?? [] {
            guard let id = member.value.integer, (0..<count).contains(id) else { continue }
            ids[ExactText(member.name)] = id
            tokens[id] = member.name
            scores?[id] = 0
            kinds[id] = member.name.isByteToken ? .byte : .normal
        }
        // Runs of spaces and newlines merge before all else; as user-defined tokens they have no rank.
        var ranked = [Bool](repeating: false, count: count)
        for token in files.added where token.id < count { ranked[token.id] = true }
        var rank = 0
        func assignRank(_ id: Int) {
            guard !ranked[id] else { return }
            ranked[id] = true
            scores?[id] = -Float(rank)
            rank += 1
        }
        for merge in tokenizer["model"]?["merges"]?.elements ?? [] {
            guard let (left, right) = merge.mergeHalves, let id = ids[ExactText(left + right)] else {
                continue
            }
            assignRank(id)
        }
        // No merge makes a single character, so its score decides nothing: any behind all merges will do.
        for id in tokens.indices where kinds[id] == .normal && tokens[id].unicodeScalars.count == 1 {
            assignRank(id)
        }
        if let unknown = tokenizer["model"]?["unk_token"]?.text, let id = ids[ExactText(unknown)] {
            kinds[id] = .unknown
        }
        for token in files.added where token.id < count {
            let isControl = token.isSpecial || token.content.looksSpecial
            tokens[token.id] = isControl ? token.content : token.content.withSpaces
            scores?[token.id] = -1000
            kinds[token.id] = isControl ? .control : .userDefined
        }
    }

    /// `get_vocab_base`: byte-level BPE.
    private init(byteLevel files: HubTokenizerFiles, _ tokenizer: JSONValue, _ count: Int)
        throws(CheckpointError)
    {
        let path = FilePath.join(files.folder, "tokenizer.json")
        let preTokenizer = try PreTokenizerRecognition.name(tokenizer, path: path)
        self.init(padding: count, model: "gpt2", preTokenizer: preTokenizer, hasScores: false)
        func place(_ id: Int, _ name: String) throws(CheckpointError) {
            guard (0..<count).contains(id) else {
                throw CheckpointError(
                    .inconsistent, path: path, subject: "token '\(name)'",
                    "has number \(id), the embedding has \(count) rows")
            }
        }
        for member in tokenizer["model"]?["vocab"]?.members ?? [] {
            guard let id = member.value.integer else { continue }
            try place(id, member.name)
            tokens[id] = member.name
            kinds[id] = .normal
        }
        for token in files.added {
            try place(token.id, token.content)
            let isControl = token.isSpecial || token.content.looksSpecial
            tokens[token.id] = isControl ? token.content : token.content.withSpaces
            kinds[token.id] = isControl ? .control : .userDefined
        }
        merges = (tokenizer["model"]?["merges"]?.elements ?? []).compactMap(\.mergeLine)
        guard merges?.isEmpty == false else {
            throw CheckpointError(.missing, path: path, subject: "'merges'", "is missing or empty")
        }
    }

    private func check(_ files: HubTokenizerFiles) throws(CheckpointError) {
        if let (first, second) = TokenIndex(tokens).duplicate {
            throw CheckpointError(
                .inconsistent, path: files.folder, subject: "tokens \(first) and \(second)",
                "are both '\(tokens[first])'")
        }
    }
}

extension String {
    /// `<0x0A>`
    fileprivate var isByteToken: Bool {
        utf8.count == 6 && hasPrefix("<0x") && hasSuffix(">")
            && UInt8(dropFirst(3).dropLast(), radix: 16) != nil
    }
}

extension JSONValue {
    /// The halves of a merge, written as one string or as two.
    fileprivate var mergeHalves: (String, String)? {
        if let elements, elements.count == 2, let left = elements[0].text, let right = elements[1].text {
            return (left, right)
        }
        guard let text, let space = text.dropFirst().firstIndex(of: " ") else { return nil }
        return (String(text[..<space]), String(text[text.index(after: space)...]))
    }

    /// A merge as GGUF stores it, spaces inside its halves as U+0120.
    fileprivate var mergeLine: String? {
        if let text { return text }
        guard let (left, right) = mergeHalves else { return nil }
        func encoded(_ half: String) -> String {
            guard half.utf8.contains(UInt8(ascii: " ")) else { return half }
            return String(String.UnicodeScalarView(half.unicodeScalars.map { $0 == " " ? "\u{0120}" : $0 }))
        }
        return encoded(left) + " " + encoded(right)
    }
}
