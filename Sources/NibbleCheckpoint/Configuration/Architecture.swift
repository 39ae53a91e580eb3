/// The model families that Nibble converts, by their GGUF name.
public enum Architecture: String, CaseIterable, Sendable, Hashable {
    /// Gemma 3, 270M to 27B; of the multimodal sizes, the text model.
    case gemma3
    /// Llama 2 and 3, SmolLM2 and other models of that layout.
    case llama
    /// Qwen 2 and 2.5.
    case qwen2
    /// Qwen 3, dense.
    case qwen3
}
