// Tokens that files add to a vocabulary, and what has no token or no row.
extension HubTokens {
    /// Whether the embedding has a row for a token that a file names.
    mutating func hasRow(_ id: Int, _ text: String) -> Bool {
        if tokens.indices.contains(id) { return true }
        if id >= 0 { withoutRows[id] = text }
        return false
    }

    /// The number of the token with a text; nil where there is none.
    func number(of text: String) -> Int? {
        let text = ExactText(text)
        return tokens.firstIndex { ExactText($0) == text }
    }

    mutating func note(_ path: String, subject: String? = nil, _ text: String) {
        notes.append(CheckpointNote(path: path, subject: subject, text))
    }

    /// Whether an added token may take a row of a SentencePiece vocabulary: not where it is a piece of another row already,
    /// which keeps its number then.
    mutating func isFree(_ id: Int, _ text: String, _ pieces: TokenIndex) -> Bool {
        if let other = pieces.token(text), other != id {
            clashes.repeated.append("'\(text)' \(id) -> \(other)")
            return false
        }
        let isRenamed =
            tokens.indices.contains(id) && kinds[id] != .unused && ExactText(tokens[id]) != ExactText(text)
            && ExactText(tokens[id].withSpaces) != ExactText(text.withSpaces)
        if isRenamed { clashes.renamed.append("\(id) '\(tokens[id])' -> '\(text)'") }
        return true
    }

    mutating func noteClashes(_ files: HubTokenizerFiles) {
        let path = files.sentencePiecePath ?? files.folder
        if !clashes.renamed.isEmpty {
            note(
                path,
                "added tokens take the numbers of pieces (\(clashes.renamed.count)), as in llama.cpp: "
                    + clashes.renamed.listed(3))
        }
        if !clashes.repeated.isEmpty {
            note(
                path,
                "added tokens are pieces already, and keep the piece's number (\(clashes.repeated.count)), as in "
                    + "transformers: \(clashes.repeated.listed(3))")
        }
    }

    /// Puts added tokens in their places.
    mutating func place(_ list: HubAddedTokens, _ files: HubTokenizerFiles) {
        for (id, token) in list.tokens where hasRow(id, token.content) { place(token, at: id) }
        noteList(list, files)
    }

    mutating func place(_ token: HubAddedTokens.Token, at id: Int) {
        let isControl = token.isSpecial || token.content.looksSpecial
        tokens[id] = isControl ? token.content : token.content.withSpaces
        scores?[id] = -1000
        kinds[id] = isControl ? .control : .userDefined
    }

    private mutating func noteList(_ list: HubAddedTokens, _ files: HubTokenizerFiles) {
        if !list.moved.isEmpty {
            let moved = list.moved.map { "'\($0.content)' \($0.stated) -> \($0.id)" }.listed(3)
            note(
                files.folder,
                "\(list.moved.count) added tokens have other numbers than their files state (\(moved)), as in "
                    + "transformers, which goes by their order")
        }
        let matching = list.tokens.filter(\.token.hasMatchingOptions)
        if !matching.isEmpty {
            note(
                files.folder,
                "\(matching.count) added tokens take spaces beside them along, or stand between words only (lstrip, "
                    + "rstrip, single_word: \(matching.map { "'\($0.token.content)'" }.listed(3))); llama.cpp has no such "
                    + "tokens, and takes them as they are")
        }
        let decoder = files.configuration?["added_tokens_decoder"]?.members ?? []
        let listed = Set(decoder.compactMap { $0.value["content"]?.text.map(ExactText.init) })
        let unlisted = files.added.filter { !listed.contains(ExactText($0.token.content)) }
        if !decoder.isEmpty, !unlisted.isEmpty {
            note(
                files.tokenizerPath,
                "adds tokens that added_tokens_decoder in tokenizer_config.json lacks (\(unlisted.count)): "
                    + "\(unlisted.map { "'\($0.token.content)'" }.listed(3)); they are kept (transformers leaves them out "
                    + "for some classes of tokenizers)")
        }
        let flags = Dictionary(files.added.map { (ExactText($0.token.content), $0.token.isSpecial) }) {
            first, _ in first
        }
        let differing = list.tokens.filter { item in
            flags[ExactText(item.token.content)].map { $0 != item.token.isSpecial } ?? false
        }
        if !differing.isEmpty {
            let names = differing.map { "'\($0.token.content)'" }.listed(3)
            note(
                files.tokenizerPath,
                "says otherwise than tokenizer_config.json which tokens are special (\(differing.count): \(names)); the "
                    + "latter counts, as in transformers")
        }
    }

    /// What a SentencePiece vocabulary takes from tokenizer.json and from the roles of tokens: texts for rows that would
    /// have none, and which tokens are control tokens. For all else tokenizer.model counts, as in llama.cpp.
    mutating func takeAdded(_ files: HubTokenizerFiles, _ pieces: [SentencePieceModel.Piece]) {
        let list: HubAddedTokens
        if let tokenizer = files.tokenizer {
            list = HubAddedTokens(files, tokenizer, nil)
            noteDifferences(tokenizer, files)
        } else {
            list = HubAddedTokens(files, pieces)
        }
        added = list
        let present = TokenIndex(tokens)
        var filled: [String] = []
        var control: [String] = []
        var userDefined: [String] = []
        for (id, token) in list.tokens {
            let isNamed =
                present.token(token.content) != nil || present.token(token.content.withSpaces) != nil
            if !isNamed, hasRow(id, token.content), kinds[id] == .unused {
                place(token, at: id)
                filled.append("'\(token.content)'")
            } else if tokens.indices.contains(id), token.isSpecial,
                ExactText(tokens[id]) == ExactText(token.content)
            {
                switch kinds[id] {
                case .normal:
                    kinds[id] = .control
                    control.append("'\(token.content)'")
                case .userDefined: userDefined.append("'\(token.content)'")
                default: break
                }
            }
        }
        func add(_ names: [String], _ text: String) {
            guard !names.isEmpty else { return }
            outputNotes.append(
                CheckpointNote(path: files.folder, "\(text) (\(names.count)): \(names.listed())"))
        }
        add(
            filled,
            "tokens are added that llama.cpp's converter would leave out, as neither added_tokens.json nor "
                + "added_tokens_decoder lists them")
        add(
            control,
            "tokens are control tokens, as in transformers, which llama.cpp's converter would take for text")
        add(
            userDefined,
            "special tokens of added_tokens.json are written as user-defined tokens, as llama.cpp's converter does, "
                + "rather than as control tokens")
        let defined = pieces.prefix(tokens.count).enumerated().filter {
            $1.kind == .userDefined && kinds[$0] == .normal
        }
        add(
            defined.map { "'\($1.text)'" },
            "user-defined pieces of tokenizer.model are pieces like any other, as llama.cpp's converter has them"
        )
    }

    private mutating func noteDifferences(_ tokenizer: JSONValue, _ files: HubTokenizerFiles) {
        var differing = 0
        var example = ""
        for member in tokenizer["model"]?["vocab"]?.members ?? [] {
            guard let id = member.value.integer, tokens.indices.contains(id), kinds[id] != .unused,
                ExactText(tokens[id]) != ExactText(member.name),
                ExactText(tokens[id]) != ExactText(member.name.withSpaces)
            else { continue }
            if differing == 0 { example = "\(id) is '\(tokens[id])' there and '\(member.name)' here" }
            differing += 1
        }
        guard differing > 0 else { return }
        note(
            files.tokenizerPath,
            "differs from tokenizer.model in \(differing) tokens (number \(example)); tokenizer.model counts, as in "
                + "llama.cpp (in transformers tokenizer.json does)")
    }

    /// `ignore_merges` goes with the pre-tokenizer in llama.cpp.
    mutating func noteMerging(_ tokenizer: JSONValue, _ files: HubTokenizerFiles) {
        let ignores = tokenizer["model"]?["ignore_merges"]?.flag ?? false
        let usual = preTokenizer == "llama-bpe"
        if ignores != usual {
            note(
                files.tokenizerPath, subject: "'model.ignore_merges'",
                "is \(ignores); llama.cpp takes \(usual) with this pre-tokenizer, which changes words that no merges "
                    + "lead to")
        }
        if files.configuration?["add_prefix_space"]?.flag == true {
            note(
                FilePath.join(files.folder, "tokenizer_config.json"), subject: "'add_prefix_space'",
                "is true; llama.cpp puts no space before the text with byte-level tokenizers")
        }
    }

    /// Notes rows without a token and tokens without a row.
    ///
    /// - Throws: ``CheckpointError`` where most rows have no token: the tokenizer is another model's.
    mutating func checkPadding(_ files: HubTokenizerFiles) throws(CheckpointError) {
        if !withoutRows.isEmpty {
            let names = withoutRows.sorted { $0.key < $1.key }.map { "\($0.key) '\($0.value)'" }.listed()
            guard withoutRows.count < tokens.count else {
                throw CheckpointError(
                    .inconsistent, path: files.folder,
                    "names \(withoutRows.count) tokens beyond 'vocab_size', which is \(tokens.count): \(names)",
                    advice: "tokenizer and model may belong to different checkpoints")
            }
            note(
                files.folder,
                "\(withoutRows.count) tokens of the tokenizer lie beyond 'vocab_size', which is \(tokens.count), so that they have "
                    + "no row in the embedding; left out: \(names)")
        }
        let padding = tokens.indices.filter { kinds[$0] == .unused && tokens[$0] == "[PAD\($0)]" }
        guard let first = padding.first, let last = padding.last else { return }
        guard 2 * padding.count <= tokens.count else {
            throw CheckpointError(
                .inconsistent, path: files.folder,
                "names \(tokens.count - padding.count) tokens, the embedding has \(tokens.count) rows",
                advice:
                    "tokenizer and model may belong to different checkpoints, or the download may be incomplete"
            )
        }
        let range = padding.count == 1 ? "[PAD\(first)]" : "[PAD\(first)] to [PAD\(last)]"
        outputNotes.append(
            CheckpointNote(
                path: files.folder,
                "\(padding.count) of \(tokens.count) rows of the embedding have no token, and get names: \(range)"
            ))
    }
}
