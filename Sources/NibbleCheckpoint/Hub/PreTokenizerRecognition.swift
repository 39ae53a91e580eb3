/// Tells which of llama.cpp's pre-tokenizers a byte-level `tokenizer.json` uses.
///
/// llama.cpp's converter knows them by a hash of the tokens of a fixed text, hence only for vocabularies that it
/// has seen. The regular expressions say it for any vocabulary.
enum PreTokenizerRecognition {
    /// The name under which llama.cpp knows it.
    ///
    /// - Throws: ``CheckpointError`` that shows the expressions where they are not known.
    static func name(_ tokenizer: JSONValue, path: String) throws(CheckpointError) -> String {
        let steps = steps(tokenizer["pre_tokenizer"])
        switch steps {
        case [llama3, "ByteLevel"]: return "llama-bpe"
        case [qwen2, "ByteLevel"]: return "qwen2"
        case ["Digits", "ByteLevel+regex"], [#"\p{N}"#, gpt2, "ByteLevel"]: return "smollm"
        case ["ByteLevel+regex"], [gpt2, "ByteLevel"]: return "gpt-2"
        default:
            throw CheckpointError(
                .unsupported, path: path, subject: "'pre_tokenizer'",
                "is none of gpt-2, smollm, llama-bpe and qwen2; it is: \(steps.joined(separator: ", then "))")
        }
    }

    private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static let llama3 =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let qwen2 =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// The steps in order: the expressions of splits, the names of others.
    private static func steps(_ value: JSONValue?) -> [String] {
        guard let value, let type = value["type"]?.text else { return [] }
        switch type {
        case "Sequence": return (value["pretokenizers"]?.elements ?? []).flatMap { steps($0) }
        case "Split":
            return [value["pattern"]?["Regex"]?.text ?? value["pattern"]?["String"]?.text ?? "Split"]
        case "ByteLevel": return [value["use_regex"]?.flag ?? true ? "ByteLevel+regex" : "ByteLevel"]
        case "Digits": return [value["individual_digits"]?.flag == true ? "Digits" : "Digits in runs"]
        default: return [type]
        }
    }
}
