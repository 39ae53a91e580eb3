/// The shape of a model and the constants of its forward pass, independent of how a file spells them.
///
/// Read from `config.json` (`ModelConfiguration+HubReading.swift`) or from GGUF metadata
/// (`ModelConfiguration+GGUFReading.swift`), and written to either.
public struct ModelConfiguration: Sendable, Equatable {
    /// The model family.
    public var architecture: Architecture
    /// Longest sequence the model was made for, in tokens.
    public var contextLength: Int
    /// Width of the residual stream.
    public var embeddingLength: Int
    /// Number of transformer blocks.
    public var layerCount: Int
    /// Width of the gated feed-forward layer.
    public var feedForwardLength: Int
    /// Query heads.
    public var headCount: Int
    /// Key and value heads; divides ``headCount``.
    public var keyValueHeadCount: Int
    /// Width of one head.
    public var headDimension: Int
    /// Epsilon of the RMS norms, as written in the file.
    public var normEpsilon: Double
    /// Base of the rotary embedding (of the global layers, where there are two kinds).
    public var ropeBase: Double
    /// Base of the rotary embedding in sliding-window layers (Gemma 3); nil where all layers are alike.
    public var ropeLocalBase: Double?
    /// Scaling of rotary positions (of the global layers, where there are two kinds).
    public var ropeScaling: RopeScaling?
    /// What cosines and sines of all layers are multiplied with, YaRN's own factor aside.
    public internal(set) var rotaryMagnitude = 1.0
    /// Keys that a local layer sees, the current token included; nil where all layers are global.
    public var slidingWindow: Int?
    /// Which layers are global; nil where ``slidingWindow`` is.
    public var slidingPattern: SlidingPattern?
    /// Attention scores are scaled by this to the power -1/2; nil means ``headDimension``.
    public var queryScalar: Double?
    /// Cap of the final logits, `c * tanh(l / c)`; nil for none.
    public var finalLogitSoftcap: Double?
    /// Whether the vocabulary head is the token embedding.
    public var tiesEmbeddings: Bool
    /// Rows of the token embedding that stand for tokens.
    public var vocabularySize: Int

    /// What computing the model would need and Nibble does not have. Nothing of it keeps a GGUF file from being
    /// quantized: its keys are carried over.
    public internal(set) var obstacles: [CheckpointError] = []

    /// Whether all blocks, and keys and values, are alike, so that ``shape(of:)`` can tell the shapes of their matrices.
    var hasUniformBlocks = true

    /// Whether GGUF states the width of a head rather than leaving it to be derived.
    var statesHeadDimension = true

    /// How rotary positions are stretched beyond the original context.
    public enum RopeScaling: Sendable, Equatable {
        /// All frequencies divided by the factor.
        case linear(factor: Double)
        /// Low frequencies divided by the factor, high ones kept, a ramp between (Llama 3.1).
        case llama3(factor: Double, lowFrequency: Double, highFrequency: Double, originalContext: Int)
        /// As YaRN has it.
        case yarn(YaRN)
        /// Each frequency divided by a number of its own, which only GGUF can say.
        case divisors([Float])
    }

    /// Which layers attend globally.
    public enum SlidingPattern: Sendable, Equatable {
        /// Layer `i` is global where `i % period == period - 1`.
        case period(Int)
        /// One flag a layer, true for sliding.
        case layers([Bool])
    }

    /// Whether a layer attends to a sliding window only.
    package func isSliding(layer: Int) -> Bool {
        guard slidingWindow != nil, let slidingPattern else { return false }
        switch slidingPattern {
        case .period(let period): return layer % period != period - 1
        case .layers(let flags): return flags[layer]
        }
    }
}
