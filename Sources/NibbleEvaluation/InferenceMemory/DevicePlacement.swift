public import NibbleCheckpoint

/// How much of a model a device can hold, as llama.cpp distributes it.
///
/// Where memory is the processor's as well, all of the model lies in it. A graphics card takes layers from the last one on,
/// the vocabulary head counted as a layer behind the blocks (`-ngl`): their weights, keys and values, and the buffer of
/// computation. The token embedding stays with the processor, where a tied head takes a copy of it along, and so do the
/// logits that are handed out (src/llama-model.cpp).
public struct DevicePlacement: Sendable {
    /// The device.
    public let device: Device
    /// What it has to hold for all layers, in bytes.
    public let neededBytes: Int
    /// Layers that it can hold, of ``layerCount``; 0 or all of them where memory is the processor's as well.
    public let layers: Int
    /// Blocks, and one for the vocabulary head.
    public let layerCount: Int
    /// The longest context of a sequence with which all layers fit, in tokens; nil where none is short enough.
    public let longestContext: Int?

    /// Whether all layers fit.
    public var fits: Bool { layers == layerCount }

    /// Places a model on a device.
    public init(_ memory: InferenceMemory, on device: Device) throws(CheckpointError) {
        self.device = device
        layerCount = memory.weights.blocks.count + 1
        let isCard = device.kind.isCard
        neededBytes = isCard ? memory.cardBytes(layers: layerCount) : memory.total
        if isCard {
            // Fewer layers take less.
            layers =
                (1...layerCount).last { memory.cardBytes(layers: $0) <= device.usableBytes } ?? 0
            longestContext = try memory.longestContext(within: device.usableBytes) { [layerCount] in
                $0.cardBytes(layers: layerCount)
            }
        } else {
            layers = memory.total <= device.usableBytes ? layerCount : 0
            longestContext = try memory.longestContext(within: device.usableBytes)
        }
    }
}

extension InferenceMemory {
    /// What a graphics card holds of the last `layers`, in bytes, with the vision tower where there is one.
    func cardBytes(layers: Int) -> Int {
        guard layers > 0 else { return 0 }
        let blocks = weights.blocks.suffix(layers - 1).reduce(0, +)
        let cached = cache.layerBytes.suffix(layers - 1).reduce(0, +)
        return weights.output + weights.outside + blocks + cached + computeBytes + visionBytes
    }
}
