/// How byte-level BPE cuts a text in words, within which bytes are merged.
///
/// The names are those of llama.cpp (llama-vocab.cpp, `load`), which its converter writes to GGUF files.
enum PreTokenizer: Sendable {
    /// `default`: runs of punctuation, then as ``gpt2``, then numbers three digits at a time.
    case fallback
    case gpt2
    /// Numbers digit by digit, then as ``gpt2``.
    case smollm
    case llama3
    case qwen2

    private static let names: [(PreTokenizer, [String])] = [
        (.fallback, ["default"]),
        (
            .gpt2,
            [
                "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0",
                "mellum", "modern-bert", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4",
            ]
        ),
        (
            .smollm,
            [
                "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
            ]
        ),
        (
            .llama3,
            [
                "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
                "jina-v5-nano", "dbrx", "smaug-bpe",
            ]
        ),
        (
            .qwen2,
            [
                "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan",
                "solar-open", "grok-2",
            ]
        ),
    ]

    /// The pre-tokenizer of that name; nil where it is not known.
    init?(name: String) {
        guard let found = Self.names.first(where: { $0.1.contains(name) }) else { return nil }
        self = found.0
    }

    /// All names that are known.
    static var knownNames: [String] { names.flatMap(\.1).sorted() }

    /// Whether a word that is a token is taken whole, and the beginning is marked unless the file says
    /// otherwise: llama.cpp does both for the same names.
    static func isLlama3Family(_ name: String) -> Bool {
        PreTokenizer(name: name) == .llama3 && name != "dbrx" && name != "smaug-bpe"
    }
}
