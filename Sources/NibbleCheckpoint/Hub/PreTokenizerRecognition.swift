/// Tells which of llama.cpp's pre-tokenizers a byte-level `tokenizer.json` uses.
///
/// llama.cpp's converter knows them by a hash of the tokens of a fixed text, hence only for vocabularies that it
/// has seen. The regular expressions say it for any vocabulary.
enum PreTokenizerRecognition {
    /// The name under which llama.cpp knows it.
    ///
    /// - Throws: ``CheckpointError`` that shows the expressions where they are not known.
    static func name(_ tokenizer: JSONValue, path: String) throws(CheckpointError) -> String {
        try checkModel(tokenizer, path: path)
        try refuseUnsupported(tokenizer, path: path)
        let steps = tokenizer["pre_tokenizer"].steps("pretokenizers").compactMap(name(ofStep:))
        switch steps {
        case [llama3, "ByteLevel"]: return "llama-bpe"
        case [qwen2, "ByteLevel"]: return "qwen2"
        case ["Digits", "ByteLevel+regex"], [#"\p{N}"#, gpt2, "ByteLevel"]: return "smollm"
        case ["ByteLevel+regex"], [gpt2, "ByteLevel"]: return "gpt-2"
        default:
            throw CheckpointError(
                .unsupported, path: path, subject: "'pre_tokenizer'",
                "is none of gpt-2, smollm, llama-bpe and qwen2; it is: "
                    + (steps.isEmpty ? "missing" : steps.joined(separator: ", then ")))
        }
    }

    /// Checks what llama.cpp takes for granted of the model of a tokenizer: byte-pair encoding without prefixes,
    /// suffixes and chance.
    static func checkModel(_ tokenizer: JSONValue, path: String) throws(CheckpointError) {
        if let type = tokenizer["model"]?["type"]?.text, type != "BPE" {
            throw CheckpointError(
                .unsupported, path: path, subject: "'model.type'",
                "is '\(type)'; for this architecture only BPE is supported, as in llama.cpp")
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            guard let text = tokenizer["model"]?[name]?.text, !text.isEmpty else { continue }
            throw unsupported("model.\(name)", "is '\(text)', which llama.cpp does not add", path)
        }
        if let dropout = tokenizer["model"]?["dropout"]?.real, dropout != 0 {
            throw unsupported("model.dropout", "is \(dropout), which makes tokens random", path)
        }
    }

    private static func unsupported(_ name: String, _ problem: String, _ path: String) -> CheckpointError {
        CheckpointError(
            .unsupported, path: path, subject: "'\(name)'", problem,
            advice: "tokens would not be those that the model was trained on")
    }

    /// What changes the tokens of a byte-level tokenizer and has no counterpart in llama.cpp.
    private static func refuseUnsupported(_ tokenizer: JSONValue, path: String) throws(CheckpointError) {
        let normalizers = tokenizer["normalizer"].steps("normalizers").compactMap { $0["type"]?.text }
        // llama.cpp normalizes no text, of Qwen either, whose tokenizers ask for NFC.
        if let other = normalizers.first(where: { $0 != "NFC" }) {
            throw unsupported("normalizer", "changes the text by \(other), which llama.cpp does not", path)
        }
        if byteLevels(tokenizer).contains(where: { $0["add_prefix_space"]?.flag == true }) {
            throw unsupported(
                "pre_tokenizer", "puts a space before the text (add_prefix_space), which llama.cpp does not",
                path)
        }
    }

    private static func byteLevels(_ tokenizer: JSONValue) -> [JSONValue] {
        tokenizer["pre_tokenizer"].steps("pretokenizers").filter { $0["type"]?.text == "ByteLevel" }
    }

    /// Whether a tokenizer maps bytes to characters before it merges.
    static func isByteLevel(_ tokenizer: JSONValue) -> Bool { !byteLevels(tokenizer).isEmpty }

    private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static let llama3 =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    static let qwen2 =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// The expression of a split, the name of another step.
    private static func name(ofStep step: JSONValue) -> String? {
        guard let type = step["type"]?.text else { return nil }
        switch type {
        case "Split":
            return step["pattern"]?["Regex"]?.text ?? step["pattern"]?["String"]?.text ?? "Split"
        case "ByteLevel": return step["use_regex"]?.flag ?? true ? "ByteLevel+regex" : "ByteLevel"
        case "Digits": return step["individual_digits"]?.flag == true ? "Digits" : "Digits in runs"
        default: return type
        }
    }
}
