/// A forward pass that cannot be computed.
public enum ModelError: Error, Equatable, Sendable {
    /// A token number beyond the embedding.
    case tokenOutOfRange(token: Int, vocabularySize: Int, path: String)
    /// NaN or infinity among the activations, first seen after block `layer` (-1: in the embedding; the number of
    /// blocks: in the vocabulary head).
    case nonFinite(layer: Int, layerCount: Int, path: String)
}

extension ModelError: CustomStringConvertible {
    /// What happened and what to do.
    public var description: String {
        switch self {
        case .tokenOutOfRange(let token, let size, let path):
            return "\(path): token \(token) is not among the \(size) of the vocabulary; "
                + "the text was cut by the tokenizer of another model"
        case .nonFinite(let layer, let count, let path):
            let place =
                layer < 0
                ? "the token embedding"
                : layer >= count ? "the vocabulary head" : "block \(layer) of \(count)"
            return
                "\(path): \(place) is the first to give NaN or infinity; the checkpoint is damaged, was trained "
                + "to divergence, or needs --precision f32"
        }
    }
}
