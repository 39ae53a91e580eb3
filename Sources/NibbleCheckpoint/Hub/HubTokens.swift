/// Tokens, scores and kinds of a hub folder in the form of GGUF, as llama.cpp's converter makes them
/// (conversion/base.py).
///
/// Which file counts where two contradict each other is told in docs/design/0014-contradictions.md.
struct HubTokens {
    var model: String
    var preTokenizer: String
    var tokens: [String]
    var scores: [Float]?
    var kinds: [Vocabulary.TokenKind]
    var merges: [String]?

    /// Whether a space is put before a text, where the folder says so otherwise than by `add_prefix_space`.
    var addsSpacePrefix: Bool?
    /// Tokens that the files name and the embedding has no row for, by their numbers.
    var withoutRows: [Int: String] = [:]
    /// Pieces that added tokens take the numbers of, and added tokens that are pieces already.
    var clashes: (renamed: [String], repeated: [String]) = ([], [])
    /// What was left out or overruled, so that texts may be cut otherwise than in other programs.
    var notes: [CheckpointNote] = []
    /// What is made up for a file that is written, or otherwise in it than in the folder.
    var outputNotes: [CheckpointNote] = []
    /// The tokens that files add.
    var added: HubAddedTokens?

    /// - Parameter configuration: of the model; its vocabulary has as many tokens, and those that the files do not name
    ///   become `[PADn]`.
    init(_ files: HubTokenizerFiles, _ configuration: ModelConfiguration) throws(CheckpointError) {
        let count = configuration.vocabularySize
        if let tokenizer = files.tokenizer { try Self.checkNumbers(tokenizer, files) }
        if files.sentencePiecePath != nil {
            try self.init(sentencePiece: files, count)
        } else if let tokenizer = files.tokenizer {
            if !PreTokenizerRecognition.isByteLevel(tokenizer),
                tokenizer["model"]?["byte_fallback"]?.flag == true
            {
                try self.init(mergesAsScores: files, tokenizer, count)
            } else {
                try self.init(byteLevel: files, tokenizer, configuration)
            }
        } else {
            throw CheckpointError(
                .missing, path: files.folder, "has neither tokenizer.model nor tokenizer.json",
                advice: "the download may be incomplete")
        }
        try check(files)
    }

    /// Checks that the tokens of the vocabulary are numbered as tokens are; `transformers` refuses others, too.
    private static func checkNumbers(
        _ tokenizer: JSONValue, _ files: HubTokenizerFiles
    ) throws(CheckpointError) {
        for member in tokenizer["model"]?["vocab"]?.members ?? [] {
            guard let id = member.value.integer, (0..<Int(Int32.max)).contains(id) else {
                throw CheckpointError(
                    .malformed, path: files.tokenizerPath, subject: "token '\(member.name)'",
                    "has number \(member.value.serialized(pretty: false)), expected a whole number from 0 on")
            }
        }
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
        let path = files.sentencePiecePath ?? ""
        let model = try SentencePieceModel(path: path)
        let pieces = model.pieces
        notes += model.notes
        if !model.addsDummyPrefix { addsSpacePrefix = false }
        for (id, piece) in pieces.enumerated().dropFirst(count) { withoutRows[id] = piece.text }
        for (id, piece) in pieces.prefix(count).enumerated() {
            tokens[id] = piece.text
            scores?[id] = piece.score
            // User-defined pieces count as normal until tokenizer_config.json names them.
            kinds[id] = piece.kind == .userDefined ? .normal : piece.kind
        }
        let index = TokenIndex(pieces.map(\.text))
        for member in files.addedTokens?.members ?? [] {
            guard let id = member.value.integer, isFree(id, member.name, index), hasRow(id, member.name)
            else {
                continue
            }
            tokens[id] = member.name
            scores?[id] = -1000
            kinds[id] = .userDefined
        }
        for member in files.configuration?["added_tokens_decoder"]?.members ?? [] {
            guard let id = Int(member.name), let content = member.value["content"]?.text,
                isFree(id, content, index), hasRow(id, content)
            else { continue }
            place(
                HubAddedTokens.Token(content: content, isSpecial: member.value["special"]?.flag == true),
                at: id)
        }
        noteClashes(files)
        takeAdded(files, pieces)
    }

    /// SentencePiece from the BPE with byte fallback that `transformers` makes of it: a token's score is the
    /// negative rank of the first merge that makes it. llama.cpp's converter would write another tokenizer here,
    /// so that the same text gives other tokens.
    private init(
        mergesAsScores files: HubTokenizerFiles, _ tokenizer: JSONValue, _ count: Int
    ) throws(CheckpointError) {
        self.init(padding: count, model: "llama", preTokenizer: "default", hasScores: true)
        try PreTokenizerRecognition.checkModel(tokenizer, path: files.tokenizerPath)
        addsSpacePrefix =
            try MetaspaceRecognition.addsPrefix(tokenizer, path: files.tokenizerPath) ? nil : false
        let list = HubAddedTokens(files, tokenizer, nil)
        added = list
        var ids: [ExactText: Int] = [:]
        for member in tokenizer["model"]?["vocab"]?.members ?? [] {
            guard let id = member.value.integer, hasRow(id, member.name) else { continue }
            ids[ExactText(member.name)] = id
            tokens[id] = member.name
            scores?[id] = 0
            kinds[id] = member.name.isByteToken ? .byte : .normal
        }
        // Runs of spaces and newlines merge before all else; as user-defined tokens they have no rank.
        var ranked = [Bool](repeating: false, count: count)
        for (id, _) in list.tokens where ranked.indices.contains(id) { ranked[id] = true }
        var rank = 0
        func assignRank(_ id: Int) {
            guard !ranked[id] else { return }
            ranked[id] = true
            scores?[id] = -Float(rank)
            rank += 1
        }
        try Self.forEachMerge(tokenizer, files) { merge, _ in
            if let (left, right) = merge.mergeHalves, let id = ids[ExactText(left + right)] { assignRank(id) }
        }
        // No merge makes a single character, so its score decides nothing: any behind all merges will do.
        for id in tokens.indices where kinds[id] == .normal && tokens[id].unicodeScalars.count == 1 {
            assignRank(id)
        }
        if let unknown = tokenizer["model"]?["unk_token"]?.text, let id = ids[ExactText(unknown)] {
            kinds[id] = .unknown
        }
        place(list, files)
    }

    /// `get_vocab_base`: byte-level BPE.
    private init(
        byteLevel files: HubTokenizerFiles, _ tokenizer: JSONValue, _ configuration: ModelConfiguration
    ) throws(CheckpointError) {
        let (path, count) = (files.tokenizerPath, configuration.vocabularySize)
        let preTokenizer = try PreTokenizerRecognition.name(tokenizer, path: path)
        self.init(padding: count, model: "gpt2", preTokenizer: preTokenizer, hasScores: false)
        for member in tokenizer["model"]?["vocab"]?.members ?? [] {
            guard let id = member.value.integer else { continue }
            guard (0..<count).contains(id) else {
                throw CheckpointError(
                    .inconsistent, path: path, subject: "token '\(member.name)'",
                    "has number \(id), 'vocab_size' is \(count), with numbers from 0 on",
                    advice: "tokenizer and model may belong to different checkpoints")
            }
            tokens[id] = member.name
            kinds[id] = .normal
        }
        let list = HubAddedTokens(
            files, tokenizer, TokenizerClass(files.configuration, configuration.architecture))
        added = list
        place(list, files)
        var lines: [String] = []
        try Self.forEachMerge(tokenizer, files) { _, line in lines.append(line) }
        guard !lines.isEmpty else {
            throw CheckpointError(.missing, path: path, subject: "'model.merges'", "is missing or empty")
        }
        merges = lines
        noteMerging(tokenizer, files)
    }

    /// Calls `body` with each merge, as it is and as GGUF stores it.
    private static func forEachMerge(
        _ tokenizer: JSONValue, _ files: HubTokenizerFiles, _ body: (JSONValue, String) -> Void
    ) throws(CheckpointError) {
        for (index, merge) in (tokenizer["model"]?["merges"]?.elements ?? []).enumerated() {
            guard let line = merge.mergeLine else {
                throw CheckpointError(
                    .malformed, path: files.tokenizerPath, subject: "'model.merges'",
                    "has the element \(merge.serialized(pretty: false)) at \(index), expected two parts and a space "
                        + "between")
            }
            body(merge, line)
        }
    }

    private mutating func check(_ files: HubTokenizerFiles) throws(CheckpointError) {
        if let (first, second) = TokenIndex(tokens).duplicate {
            throw CheckpointError(
                .inconsistent, path: files.folder, subject: "tokens \(first) and \(second)",
                "are both '\(tokens[first])'")
        }
        try checkPadding(files)
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
        guard let (left, right) = mergeHalves, !left.isEmpty, !right.isEmpty else { return nil }
        if let text { return text }
        func encoded(_ half: String) -> String {
            guard half.utf8.contains(UInt8(ascii: " ")) else { return half }
            return String(String.UnicodeScalarView(half.unicodeScalars.map { $0 == " " ? "\u{0120}" : $0 }))
        }
        return encoded(left) + " " + encoded(right)
    }
}
