/// What has to be done to the values of a tensor between the convention of the hub and that of GGUF.
public enum ValueTransform: Hashable, Sendable {
    /// The same values.
    case identity
    /// Hub: norm weights as the model adds one to them; GGUF: with one added (Gemma 3).
    case addOne
    /// Hub: each head's rotary pairs are `i` and `i + d/2`; GGUF: neighbours (Llama). Rows move, values stay.
    case interleaveHeads(count: Int)
}
