/// What takes the place of a tensor of the source, such as weights that were trained.
public enum ReplacementTensor: Sendable {
    /// A matrix, and no norm, whose bytes go into a GGUF file as they are, and into a hub folder as the values that they
    /// decode to.
    case encoded(EncodedTensor)
    /// A norm or bias in the convention of the model: of Gemma's norms, what the model multiplies with, the one
    /// that the hub leaves out added. A GGUF file holds them as F32.
    case vector([Float])
}
