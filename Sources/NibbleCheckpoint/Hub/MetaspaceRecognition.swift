/// Tells what a `tokenizer.json` with byte fallback does to a text before it merges.
enum MetaspaceRecognition {
    /// Whether a space is put before the text, as SentencePiece does unless told otherwise.
    ///
    /// - Throws: ``CheckpointError`` for steps that llama.cpp's SentencePiece does not take.
    static func addsPrefix(_ tokenizer: JSONValue, path: String) throws(CheckpointError) -> Bool {
        var adds = false
        for step in tokenizer["normalizer"].steps("normalizers") {
            switch step["type"]?.text {
            case "Prepend" where step["prepend"]?.text == "\u{2581}": adds = true
            case "Replace"
            where step["content"]?.text == "\u{2581}" && step["pattern"]?["String"]?.text == " ":
                break
            default: throw unsupported("normalizer", step, path)
            }
        }
        for step in tokenizer["pre_tokenizer"].steps("pretokenizers") {
            switch step["type"]?.text {
            // Words are cut at spaces, which no piece of such a vocabulary reaches across.
            case "Split" where step["pattern"]?["String"]?.text == " ": break
            case "Metaspace":
                let scheme = step["prepend_scheme"]?.text
                adds = adds || scheme.map { $0 != "never" } ?? (step["add_prefix_space"]?.flag ?? true)
            default: throw unsupported("pre_tokenizer", step, path)
            }
        }
        return adds
    }

    private static func unsupported(_ name: String, _ step: JSONValue, _ path: String) -> CheckpointError {
        CheckpointError(
            .unsupported, path: path, subject: "'\(name)'",
            "changes the text by \(step.serialized(pretty: false).prefix(80)), which llama.cpp's SentencePiece "
                + "does not", advice: "tokens would not be those that the model was trained on")
    }
}
