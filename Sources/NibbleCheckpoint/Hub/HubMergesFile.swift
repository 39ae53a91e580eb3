/// `vocab.json` and `merges.txt`, in which byte-level tokenizers were kept before there was `tokenizer.json`.
struct HubMergesFile {
    /// What `tokenizer.json` would say.
    let tokenizer: JSONValue

    /// - Throws: ``CheckpointError`` where a file is missing or damaged, or `transformers` has no such tokenizer for the
    ///   class that the folder names.
    init(folder: String, _ configuration: JSONValue?, _ architecture: Architecture) throws(CheckpointError) {
        let path = FilePath.join(folder, "merges.txt")
        guard let vocabulary = try HubTokenizerFiles.parse(folder, "vocab.json") else {
            throw CheckpointError(
                .missing, path: folder, "has merges.txt, but neither vocab.json nor tokenizer.json",
                advice: "the download may be incomplete")
        }
        guard let kind = TokenizerClass(configuration, architecture) else {
            let name = configuration?["tokenizer_class"]?.text ?? "of a class that is not named"
            throw CheckpointError(
                .unsupported, path: folder,
                "has vocab.json and merges.txt, but no tokenizer.json, and the tokenizer is \(name); without "
                    + "tokenizer.json, Qwen2Tokenizer and GPT2Tokenizer are read",
                advice: "save the tokenizer with transformers, which writes tokenizer.json")
        }
        let merges = try Self.merges(path)
        let splits = JSONValue.members(["type": "ByteLevel", "add_prefix_space": false, "use_regex": true])
        let words = JSONValue.members([
            "type": "Split", "pattern": .members(["Regex": .string(PreTokenizerRecognition.qwen2)]),
        ])
        let bytes = JSONValue.members(["type": "ByteLevel", "add_prefix_space": false, "use_regex": false])
        tokenizer = .members([
            "added_tokens": .array([]), "normalizer": kind == .qwen2 ? .members(["type": "NFC"]) : .null,
            "pre_tokenizer": kind == .gpt2
                ? splits : .members(["type": "Sequence", "pretokenizers": .array([words, bytes])]),
            "model": .members(["type": "BPE", "vocab": vocabulary, "merges": .array(merges)]),
        ])
    }

    /// Two parts a line; lines that begin with `#version` are none (tokenizers, models/bpe, `read_file`).
    private static func merges(_ path: String) throws(CheckpointError) -> [JSONValue] {
        let file = try MappedFile(path: path)
        var merges: [JSONValue] = []
        var lines = file.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (index, bytes) in lines.enumerated() where !bytes.starts(with: "#version".utf8) {
            let line = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
            let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty,
                let text = String(validating: line, as: UTF8.self)
            else {
                throw CheckpointError(
                    .malformed, path: path, subject: "line \(index + 1)",
                    "is '\(String(decoding: line.prefix(40), as: UTF8.self))', expected two parts in UTF-8 and a space "
                        + "between")
            }
            merges.append(.string(text))
        }
        return merges
    }
}
