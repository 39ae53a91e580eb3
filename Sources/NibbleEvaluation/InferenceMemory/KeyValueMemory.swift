public import NibbleCheckpoint
internal import NibbleModel
public import NibbleNumerics

/// The cache of keys and values as llama.cpp allocates it (src/llama-kv-cache.cpp, llama-kv-cache-iswa.cpp and the context's
/// padding in llama-context.cpp, of October 2026).
///
/// Layers with a sliding window hold no more than that and what is computed at a time:
///
///     cells = pad(min(n, window + batch), 256)
///
/// with n the context of a sequence, padded to 256; and as many streams of cells as sequences, or, unified, one stream that
/// they share, where a window counts for each.
public struct KeyValueMemory: Sendable, Equatable {
    /// Cells of a layer that attends to all positions, for all sequences.
    public let cells: Int
    /// Cells of a layer with a sliding window, for all sequences; nil where there are none.
    public let slidingCells: Int?
    /// Layers that attend to all positions.
    public let layers: Int
    /// Layers with a sliding window.
    public let slidingLayers: Int
    /// Bytes of the layers that attend to all positions.
    public let globalBytes: Int
    /// Bytes of the layers with a sliding window.
    public let slidingBytes: Int
    /// Bytes of each layer.
    public let layerBytes: [Int]

    /// All of it.
    public var bytes: Int { globalBytes + slidingBytes }

    /// The types that llama.cpp stores keys and values in (common/arg.cpp).
    public static let types: [GGMLType] = [
        .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .iq4_nl, .q5_0, .q5_1,
    ]

    /// What llama.cpp pads contexts to.
    static let padding = 256

    /// How a cache is asked for.
    public struct Options: Sendable, Equatable {
        /// Positions of all sequences together (`-c`).
        public var context: Int
        /// Sequences that are computed at a time (`-np`).
        public var sequences = 1
        /// Tokens of a physical batch (`-ub`).
        public var batch = 512
        /// How keys are stored (`-ctk`).
        public var keyType = GGMLType.f16
        /// How values are stored (`-ctv`).
        public var valueType = GGMLType.f16
        /// Whether sequences share their cells (`-kvu`).
        public var isUnified = false
        /// Whether layers with a sliding window hold the whole context all the same (`--swa-full`).
        public var isFull = false

        /// One sequence of F16.
        public init(context: Int) { self.context = context }

        /// Positions of a sequence, padded as llama.cpp does it.
        public var positions: Int {
            let all = KeyValueMemory.padded(context)
            return isUnified ? all : KeyValueMemory.padded(max(all / max(sequences, 1), 1))
        }
    }

    /// The cache of a model.
    ///
    /// - Throws: ``CheckpointError`` where keys or values of a position are no whole number of blocks of their type.
    public init(_ model: ModelConfiguration, _ options: Options, path: String) throws(CheckpointError) {
        let width = model.keyValueHeadCount * model.headDimension
        var position = 0
        for type in [options.keyType, options.valueType] {
            guard let bytes = type.byteCount(elements: width) else {
                throw CheckpointError(
                    .invalidRequest, path: path,
                    "has \(width) keys a position and layer, which \(type) does not store", advice: "use f16")
            }
            position += bytes
        }
        let streams = options.isUnified ? 1 : options.sequences
        let size = options.positions
        slidingLayers = (0..<model.layerCount).count { model.isSliding(layer: $0) }
        layers = model.layerCount - slidingLayers
        cells = size * streams
        if let window = model.slidingWindow, slidingLayers > 0 {
            let seen = window * (options.isUnified ? options.sequences : 1) + options.batch
            slidingCells = (options.isFull ? size : Self.padded(min(size, seen))) * streams
        } else {
            slidingCells = nil
        }
        let (global, sliding) = (cells * position, (slidingCells ?? 0) * position)
        globalBytes = layers * global
        slidingBytes = slidingLayers * sliding
        layerBytes = (0..<model.layerCount).map { model.isSliding(layer: $0) ? sliding : global }
    }

    static func padded(_ count: Int) -> Int { (count + padding - 1) / padding * padding }
}
