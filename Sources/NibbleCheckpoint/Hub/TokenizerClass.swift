/// The classes of `transformers` for byte-level BPE that have tokens of their own for roles which are not filled.
enum TokenizerClass {
    case qwen2
    case gpt2

    /// The class that `transformers` takes for a folder (models/auto/tokenization_auto.py): for Qwen 2 always its own.
    init?(_ settings: JSONValue?, _ architecture: Architecture) {
        let stated = settings?["tokenizer_class"]?.text
        let name = stated.map { $0.hasSuffix("Fast") ? String($0.dropLast(4)) : $0 }
        switch (architecture, name) {
        case (.qwen2, _), (.qwen3, nil), (_, "Qwen2Tokenizer"): self = .qwen2
        case (_, "GPT2Tokenizer"): self = .gpt2
        default: return nil
        }
    }

    var defaults: [String: String] {
        let text = "<|endoftext|>"
        return switch self {
        case .qwen2: ["unk": text, "eos": text, "pad": text]
        case .gpt2: ["bos": text, "eos": text, "unk": text]
        }
    }
}
