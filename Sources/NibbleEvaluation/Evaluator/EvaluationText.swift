internal import NibbleCheckpoint
internal import NibbleTokenizer

/// A text to evaluate models on.
struct EvaluationText: Sendable {
    /// The name to show, usually the path.
    var name: String
    /// The bytes, without the newline at their end.
    var bytes: [UInt8]
}

extension EvaluationText {
    /// Reads a file as llama.cpp does: any bytes, one newline at the end dropped. A pipe is read to its end, and for `-`
    /// standard input.
    init(path: String) throws(CheckpointError) {
        let file = try MappedFile(text: path)
        var bytes = Array(file.bytes)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        self.init(name: file.path, bytes: bytes)
    }

    /// The tokens of the whole text, with BOS in front where the vocabulary adds one; special tokens are not
    /// recognised in it.
    ///
    /// - Throws: ``CheckpointError`` where the vocabulary adds a token at the end, which llama-perplexity refuses
    ///   too: it would stand in the middle of the text.
    func tokens(_ tokenizer: Tokenizer, path: String) throws(CheckpointError) -> [Int32] {
        guard !tokenizer.addsEnd else {
            throw CheckpointError(
                .unsupported, path: path, subject: "tokenizer", "adds a token at the end of every text",
                advice: "perplexity is not defined for it")
        }
        return tokenizer.encode(bytes, addingSpecial: true, parsingSpecial: false)
    }
}
