/// Writes `tokenizer.json`, the file of the `tokenizers` library.
///
/// Text is written as it arises: Gemma's file has 800 000 lines.
struct TokenizerWriter {
    /// The file.
    let bytes: [UInt8]

    /// Serializes `hub`.
    ///
    /// - Throws: ``CheckpointError`` where the pre-tokenizer has no counterpart, or a merge names what is no
    ///   token, which the library would refuse.
    init(_ hub: HubVocabulary, _ pipeline: TokenizerPipeline) throws(CheckpointError) {
        var text = JSONText()
        text.raw("{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [")
        let added = (0..<hub.count).filter(hub.isAdded)
        text.lines(added) { text, token in
            text.raw("{\"id\": \(token), \"content\": ")
            text.string(hub.texts[token])
            text.raw(
                ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, ")
            text.raw("\"special\": \(hub.isSpecial(token))}")
        }
        text.raw("],\n\"normalizer\": ")
        text.value(pipeline.normalizer)
        text.raw(",\n\"pre_tokenizer\": ")
        text.value(pipeline.preTokenizer)
        text.raw(",\n\"post_processor\": ")
        text.value(pipeline.postProcessor(hub))
        text.raw(",\n\"decoder\": ")
        text.value(pipeline.decoder)
        text.raw(",\n\"model\": {\n\"type\": \"BPE\",\n\"dropout\": null,\n\"unk_token\": ")
        let isSentencePiece = hub.vocabulary.isSentencePiece
        text.value(isSentencePiece ? hub.unknown.map { .string(hub.texts[$0]) } ?? .null : .null)
        text.raw(",\n\"continuing_subword_prefix\": null,\n\"end_of_word_suffix\": null,\n")
        text.raw("\"fuse_unk\": \(isSentencePiece),\n")
        text.raw("\"byte_fallback\": \(isSentencePiece && hub.fallsBackToBytes),\n")
        text.raw("\"ignore_merges\": \(pipeline.ignoresMerges),\n\"vocab\": {")
        text.lines((0..<hub.count).lazy.filter(hub.isWritten)) { text, token in
            text.string(hub.texts[token])
            text.raw(": \(token)")
        }
        text.raw("},\n\"merges\": [")
        if isSentencePiece {
            try Self.write(SentencePieceMerges(hub), hub, to: &text)
        } else {
            try Self.write(hub.vocabulary.merges ?? [], hub, to: &text)
        }
        text.raw("]\n}\n}\n")
        bytes = text.bytes
    }

    private static func write(_ merges: SentencePieceMerges, _ hub: HubVocabulary, to text: inout JSONText) {
        text.lines(merges.pairs) { text, pair in
            let token = hub.index.bytes(of: Int(pair.token))
            text.raw("[")
            text.string(token.prefix(Int(pair.cut)))
            text.raw(", ")
            text.string(token.dropFirst(Int(pair.cut)))
            text.raw("]")
        }
    }

    private static func write(
        _ merges: [String], _ hub: HubVocabulary, to text: inout JSONText
    ) throws(CheckpointError) {
        var unknown: (Int, String)?
        text.lines(merges.enumerated()) { text, item in
            guard let merge = MergeRule(item.element), let left = merge.left.token(in: hub),
                let right = merge.right.token(in: hub), hub.index.token(left + right) != nil
            else {
                unknown = unknown ?? (item.offset, item.element)
                return
            }
            text.raw("[")
            text.string(left)
            text.raw(", ")
            text.string(right)
            text.raw("]")
        }
        if let (index, merge) = unknown {
            throw CheckpointError(
                .inconsistent, path: hub.path, subject: "key '\(TokenizerKey.merges)'",
                "has the element '\(merge)' at \(index), whose halves or whole are no tokens")
        }
    }
}

extension String {
    /// The token that a half of a merge stands for: itself or, as llama.cpp's converter writes spaces in
    /// merges as U+0120, with spaces for these.
    fileprivate func token(in hub: HubVocabulary) -> String? {
        if hub.index.token(self) != nil { return self }
        var scalars = UnicodeScalarView()
        for scalar in unicodeScalars { scalars.append(scalar == "\u{120}" ? " " : scalar) }
        let spaced = String(scalars)
        return hub.index.token(spaced) == nil ? nil : spaced
    }
}
