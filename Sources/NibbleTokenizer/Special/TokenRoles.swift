internal import NibbleCheckpoint

/// Ids with a role, what is put around a text, and what ends a generation, with llama.cpp's defaults and its
/// recognition by text (llama-vocab.cpp, `load`).
///
/// Not known here are the roles that only GGUF keys outside of ``Vocabulary`` give: the end of a message, and
/// those of fill-in-the-middle; they are found by their text alone.
struct TokenRoles: Sendable {
    private(set) var beginning: Int32?
    private(set) var end: Int32?
    private(set) var endOfTurn: Int32?
    private(set) var unknown: Int32?
    private(set) var addsBeginning: Bool
    private(set) var addsEnd: Bool
    private(set) var endsOfGeneration: Set<Int32> = []
    private(set) var attributes: [TokenAttributes]

    /// Ends of a turn by their text; where several exist, the first of this list. llama.cpp takes whichever
    /// its hash table lists first.
    private static let endsOfTurn = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>",
        "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>",
    ]
    private static let endsOfMessage = ["<|eom_id|>"]
    /// Tokens of fill-in-the-middle, which become control tokens.
    private static let middles = [
        [
            "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
            "<|code_prefix|>", "<|prefix|>",
        ],
        [
            "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
            "<|code_suffix|>", "<|suffix|>",
        ],
        [
            "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
            "<|code_middle|>", "<|middle|>",
        ],
    ]
    /// Tokens of fill-in-the-middle that end a generation besides.
    private static let middleEnds = [
        ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
        ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
        ["<|file_sep|>"],
    ]
    private static let endTexts = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
        "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
        "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<｜end▁of▁sentence｜>", "[e~[",
    ]
    /// Always shown (gpt-oss).
    private static let shownTexts = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"]

    init(_ vocabulary: Vocabulary, index: TokenIndex, addsBeginning: Bool, path: String)
        throws(CheckpointError)
    {
        let count = vocabulary.tokens.count
        let special = vocabulary.special
        func token(_ id: Int?) -> Int32? { id.flatMap { $0 < count ? Int32($0) : nil } }
        func find(_ text: String) -> Int32? { token(index.token(text)) }
        func first(_ texts: [String]) -> Int32? { texts.lazy.compactMap(find).first }
        let isByteLevel = vocabulary.model != .sentencePiece
        beginning = token(special.beginning ?? (isByteLevel ? 11 : 1))
        end = token(special.end ?? (isByteLevel ? 11 : 2))
        unknown = token(special.unknown ?? (isByteLevel ? nil : 0))
        self.addsBeginning = special.addsBeginning ?? addsBeginning
        addsEnd = special.addsEnd ?? false
        attributes = vocabulary.kinds.map { TokenAttributes($0) }

        endOfTurn = token(special.endOfTurn)
        if endOfTurn == nil, let found = first(Self.endsOfTurn) {
            endOfTurn = found
            attributes[Int(found)].insert(.control)
        }
        let endOfMessage = first(Self.endsOfMessage)
        for texts in Self.middles {
            if let found = first(texts) { attributes[Int(found)].insert(.control) }
        }
        for texts in Self.middleEnds {
            guard let found = first(texts) else { continue }
            attributes[Int(found)].insert(.control)
            endsOfGeneration.insert(found)
        }
        for found in Self.endTexts.compactMap(find) {
            attributes[Int(found)].insert(.control)
            endsOfGeneration.insert(found)
        }
        for found in Self.shownTexts.compactMap(find) { attributes[Int(found)] = .userDefined }
        endsOfGeneration.formUnion([end, endOfTurn, endOfMessage].compactMap(\.self))
        correctEnds(find)

        for (adds, token, name) in [(self.addsBeginning, beginning, "beginning"), (addsEnd, end, "end")]
        where adds && token == nil {
            throw CheckpointError(
                .inconsistent, path: path, subject: "tokenizer",
                "puts a token for the \(name) to a text, but the vocabulary has none")
        }
    }

    /// Takes back what the texts suggest in vocabularies of a few models.
    private mutating func correctEnds(_ find: (String) -> Int32?) {
        func isEnd(_ text: String) -> Bool { find(text).map { endsOfGeneration.contains($0) } ?? false }
        let calls = isEnd("<|call|>") || isEnd("<|calls|>")
        if calls, isEnd("<|return|>") || isEnd("<|flush|>"), isEnd("<|end|>"), let end = find("<|end|>") {
            endsOfGeneration.remove(end)
            attributes[Int(end)] = .userDefined
        }
        if isEnd("<|tool_response>") || isEnd("<|plamo:eos|>"), isEnd("</s>"), let end = find("</s>") {
            endsOfGeneration.remove(end)
            attributes[Int(end)] = .normal
        }
    }
}
