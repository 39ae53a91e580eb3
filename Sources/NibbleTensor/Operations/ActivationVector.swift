internal import CKernels

/// The features of one token side by side, and in 8 bits.
struct ActivationVector: Sendable {
    private let buffer: Buffer
    private let features: Int

    init(_ tensor: Tensor, token: Int, isInt8: Bool, pool: BufferPool) {
        features = tensor.features
        let blocks = features / 32
        buffer = pool.take(bytes: 4 * features + 8 * blocks + features)
        let (panel, lane) = tensor.layout.place(sequence: 0, position: token)
        let source = tensor.panel(panel) + lane
        let target = buffer.bound(to: Float.self)
        for feature in 0..<features { target[feature] = source[feature * tensor.layout.width] }
        if isInt8 { nibble_quantize_vector(target, features, codes, scales, sums) }
    }

    /// `[features]`
    var values: UnsafePointer<Float> { UnsafePointer(buffer.bound(to: Float.self)) }
    /// `[features / 32]`
    var scales: UnsafeMutablePointer<Float> { buffer.bound(to: Float.self) + features }
    /// `[features / 32]`
    var sums: UnsafeMutablePointer<Int32> {
        (buffer.pointer + 4 * (features + features / 32)).assumingMemoryBound(to: Int32.self)
    }
    /// `[features]`
    var codes: UnsafeMutablePointer<Int8> {
        (buffer.pointer + 4 * features + 8 * (features / 32)).assumingMemoryBound(to: Int8.self)
    }
}
