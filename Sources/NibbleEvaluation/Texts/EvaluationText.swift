internal import NibbleCheckpoint
internal import NibbleTokenizer

/// A text to evaluate models on: documents, one after the other, or conversations.
struct EvaluationText: Sendable {
    /// The name to show: what the user calls it, else its path.
    var name: String
    /// Its documents; none where it is made of conversations.
    var documents: [Document] = []
    /// Its conversations.
    var conversations: [Chat] = []

    /// A conversation that is evaluated on its own.
    struct Chat: Sendable {
        /// Its file and line.
        var name: String
        /// What was said.
        var conversation: Conversation
    }

    /// A part of a text that was written as a whole.
    struct Document: Sendable {
        /// Its path, for a line of a `.jsonl` file with the number of the line.
        var name: String
        /// Its bytes.
        var bytes: [UInt8]
    }
}

extension EvaluationText {
    /// Reads what `--text` names.
    ///
    /// - A file, or a pipe that is read to its end, `-` for standard input: one document of any bytes.
    /// - A file whose name ends in `.jsonl`: a document in the field `text` of each line, or a conversation, see
    ///   `Conversation.read`.
    /// - A folder: all its texts, see `TextFiles`.
    /// - `NAME=PATH`: the same under another name.
    ///
    /// - Throws: `CheckpointError` where one cannot be read, is no text, or holds none.
    init(_ argument: String) throws(CheckpointError) {
        let named = NamedPath(argument)
        let path = named.path
        do {
            for path in try TextFiles.list([path]) {
                let file = try MappedFile(text: path)
                guard JSONLines.isNamed(path) else {
                    documents.append(
                        withExtendedLifetime(file) { Document(name: file.path, bytes: Array(file.bytes)) })
                    continue
                }
                if try Conversation.areHeld(in: file) {
                    conversations += try Conversation.read(file).map {
                        Chat(name: "\(path):\($0.line)", conversation: $0.conversation)
                    }
                } else {
                    documents += try Self.documents(in: file)
                }
            }
            guard documents.isEmpty || conversations.isEmpty else {
                throw TextError(
                    path,
                    "holds documents (\(documents[0].name)) and conversations (\(conversations[0].name))",
                    advice: "name them as two texts")
            }
        } catch let error as CheckpointError {
            throw error
        } catch let error as TextError {
            throw CheckpointError(
                .invalidRequest, path: error.subject, subject: error.line.map { "line \($0)" }, error.problem,
                advice: error.advice)
        } catch {
            throw CheckpointError(.inputOutput, path: path, "\(error)")
        }
        name = named.name ?? (path == "-" ? "standard input" : path)
    }

    /// The documents of a file of JSON lines.
    private static func documents(in file: MappedFile) throws(TextError) -> [Document] {
        var documents: [Document] = []
        try TextDocuments(textField: "text").forEach(in: file) { text in
            documents.append(Document(name: "\(file.path):\(documents.count + 1)", bytes: Array(text)))
        }
        return documents
    }

    /// All documents as one text, as if their files were one: a document that does not end in a newline gets one before the
    /// next. One newline at the very end is dropped, as llama.cpp drops it.
    var bytes: [UInt8] {
        var joined: [UInt8] = []
        for document in documents {
            if let last = joined.last, last != UInt8(ascii: "\n") { joined.append(UInt8(ascii: "\n")) }
            joined += document.bytes
        }
        if joined.last == UInt8(ascii: "\n") { joined.removeLast() }
        return joined
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

    /// The first token of each document, nearly: a token may hold the end of one and the beginning of the next.
    func starts(_ tokenizer: Tokenizer) -> [Int] {
        documents.dropLast().reduce(into: [0]) { starts, document in
            let count = tokenizer.encode(document.bytes, addingSpecial: false, parsingSpecial: false).count
            starts.append(starts[starts.count - 1] + count)
        }
    }
}
