extension TokenSequences {
    /// Reads and tokenizes files and folders.
    ///
    /// Folders are searched through; all their files have to end in `.txt`, `.md` or `.jsonl`, and come in the order
    /// of the bytes of their paths. A file that is named may have any ending. A `.jsonl` file has a document in each
    /// line, any other file is one. Files are mapped, not loaded: memory holds the tokens of all documents and,
    /// besides, those of one.
    ///
    /// - Parameters:
    ///   - paths: files and folders, in the order in which they become text; one named twice counts twice.
    ///   - textField: the field of a line of JSON that holds the text.
    ///   - tokenizer: the model's.
    ///   - sequenceLength: tokens of a sequence, BOS included; 2 or more.
    ///   - generated: tokens that a model wrote, which come first, so that its sequences stay whole; with them, no path
    ///     needs to be named.
    /// - Throws: `CheckpointError` (`.inputOutput`) where a file or folder cannot be read; ``TextError`` with path and,
    ///   for JSON, line: no text, an empty file, bytes that are not UTF-8 (with their offset), a line that is no JSON or
    ///   has no such field, a file of another kind in a folder, or text that does not fill a sequence.
    public init(
        paths: [String], textField: String = "text", tokenizer: Tokenizer, sequenceLength: Int,
        generated: [Int32] = []
    ) throws {
        let files = paths.isEmpty && !generated.isEmpty ? [] : try TextFiles.list(paths)
        var stream = generated
        for file in files {
            try TextDocuments(textField: textField).forEach(in: file) { document in
                guard !document.isEmpty else { return }
                stream += tokenizer.encode(document, addingSpecial: false, parsingSpecial: false)
                if tokenizer.addsEnd, let end = tokenizer.end { stream.append(end) }
            }
        }
        try self.init(
            stream: stream, beginning: tokenizer.addsBeginning ? tokenizer.beginning : nil,
            sequenceLength: sequenceLength,
            name: files.isEmpty
                ? "self" : files.count == 1 ? files[0] : "\(files[0]) and \(files.count - 1) more")
    }
}
