extension Vocabulary {
    /// Texts of tokens that end a turn or a document, so that generation stops there; control tokens only
    /// (llama.cpp, llama-vocab.cpp, where it collects `special_eog_ids`).
    private static let endTexts: Set<String> = [
        "<end_of_turn>", "<eos>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>",
        "<|end_of_text|>",
    ]

    /// The tokens that end a generation: ``SpecialTokens/end`` first, then others in order.
    public var endTokens: [Int] {
        var ends = [special.end, special.endOfTurn].compactMap(\.self)
        for (token, text) in tokens.enumerated()
        where kinds[token] == .control && text.utf8.first == UInt8(ascii: "<") && Self.endTexts.contains(text)
        {
            ends.append(token)
        }
        var seen: Set<Int> = []
        return ends.filter { seen.insert($0).inserted }
    }

    /// The tokenizer files of a hub folder: `tokenizer.json`, `tokenizer_config.json` with the chat templates,
    /// `special_tokens_map.json`; for SentencePiece also `tokenizer.model`, from which llama.cpp's converter
    /// reads the same tokens, scores and kinds again, and `added_tokens.json` where that needs it.
    ///
    /// Merges that a SentencePiece vocabulary implies are listed from the scores, as the `transformers`
    /// library does; the file for Gemma 3 has 16 MB.
    ///
    /// What a folder cannot hold, and a GGUF made from it will not have:
    /// - scores of user-defined tokens (they become -1000);
    /// - U+2581 in user-defined tokens (it becomes a space);
    /// - kinds of unused byte-level tokens not called `[PADn]` (they become normal);
    /// - the ids of tokens with roles that ``SpecialTokens`` does not have, and of ``SpecialTokens/endOfTurn``
    ///   (llama.cpp finds it by its text).
    ///
    /// - Parameters:
    ///   - contextLength: Longest sequence, in tokens.
    ///   - path: Where the vocabulary comes from, for errors.
    /// - Throws: ``CheckpointError`` where the vocabulary or its pre-tokenizer has no counterpart on the hub.
    public func hubFiles(
        architecture: Architecture, contextLength: Int, path: String
    ) throws(CheckpointError) -> [HubFile] {
        let hub = HubVocabulary(self, path: path)
        let pipeline = try TokenizerPipeline(hub)
        let configuration = TokenizerConfiguration(
            hub: hub, architecture: architecture, contextLength: contextLength,
            cleansSpaces: pipeline.cleansSpaces)
        var files = [
            HubFile(name: "tokenizer.json", contents: try TokenizerWriter(hub, pipeline).bytes),
            HubFile(name: "tokenizer_config.json", configuration.json),
            HubFile(name: "special_tokens_map.json", configuration.specialTokensMap),
        ]
        if isSentencePiece {
            files.append(HubFile(name: "tokenizer.model", contents: try SentencePieceWriter(hub).bytes))
        }
        if let added = configuration.addedTokens { files.append(HubFile(name: "added_tokens.json", added)) }
        return files
    }
}
