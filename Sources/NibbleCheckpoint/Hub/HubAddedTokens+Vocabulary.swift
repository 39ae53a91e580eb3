// The vocabularies that tokens are added to.
extension HubAddedTokens {
    /// Beside the vocabulary of `tokenizer.json`.
    init(_ files: HubTokenizerFiles, _ tokenizer: JSONValue, _ tokenizerClass: TokenizerClass?) {
        let vocabulary = tokenizer["model"]?["vocab"]?.members ?? []
        self.init(files, tokenizerClass: tokenizerClass, vocabularyCount: vocabulary.count) { texts in
            var ids: [ExactText: Int] = [:]
            for member in vocabulary {
                let text = ExactText(member.name)
                if texts.contains(text), let id = member.value.integer { ids[text] = id }
            }
            return ids
        }
    }

    /// Beside the pieces of `tokenizer.model`.
    init(_ files: HubTokenizerFiles, _ pieces: [SentencePieceModel.Piece]) {
        self.init(files, tokenizerClass: nil, vocabularyCount: pieces.count) { texts in
            var ids: [ExactText: Int] = [:]
            for (id, piece) in pieces.enumerated() where texts.contains(ExactText(piece.text)) {
                ids[ExactText(piece.text)] = id
            }
            return ids
        }
    }
}
