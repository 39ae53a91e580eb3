internal import CKernels

/// Activations in the forms that products take them in, made once for all weights that they meet.
public final class Operand: Sendable {
    /// The activations.
    public let tensor: Tensor
    /// Pairs of neighbouring features as BF16: `[panel][(features + 1) / 2][width]`.
    private let pairs: Buffer?
    /// int8: `[panel][features / 32][8][width][4]` codes.
    private let codes: Buffer?
    /// `[panel][features / 32][width]` scales, then as many sums of codes.
    private let scales: Buffer?
    /// What vectors are multiplied in, for a step; then the others are not made.
    let vectors: [ActivationVector]

    init(_ tensor: Tensor, kernels: Set<ProductKernel>, compute: Compute) {
        self.tensor = tensor
        let layout = tensor.layout
        let (features, width) = (tensor.features, layout.width)
        let pool = compute.pool
        if layout.isStep {
            vectors = (0..<layout.length).map {
                ActivationVector(tensor, token: $0, isInt8: kernels.contains(.int8), pool: pool)
            }
            (pairs, codes, scales) = (nil, nil, nil)
            return
        }
        vectors = []
        let pairs =
            kernels.contains(.bf16) ? pool.take(bytes: Self.pairCount(tensor) * layout.panels * 4) : nil
        let blocks = features / 32 * width
        let codes = kernels.contains(.int8) ? pool.take(bytes: features * width * layout.panels) : nil
        let scales = kernels.contains(.int8) ? pool.take(bytes: 2 * blocks * layout.panels * 4) : nil
        if pairs != nil || codes != nil {
            compute.workers.forEach(layout.panels) { panel in
                let x = tensor.panel(panel)
                if let pairs {
                    nibble_pack_bf16_pairs(
                        x, features, width, pairs.bound(to: UInt32.self) + panel * Self.pairCount(tensor))
                }
                if let codes, let scales {
                    let scale = scales.bound(to: Float.self) + 2 * blocks * panel
                    nibble_quantize_activations(
                        x, features, width, codes.bound(to: Int8.self) + panel * features * width, scale,
                        UnsafeMutableRawPointer(scale + blocks).assumingMemoryBound(to: Int32.self))
                }
            }
        }
        self.pairs = pairs
        self.codes = codes
        self.scales = scales
    }

    private static func pairCount(_ tensor: Tensor) -> Int { (tensor.features + 1) / 2 * tensor.layout.width }

    /// BF16 pairs of a panel.
    func pairs(panel: Int) -> UnsafePointer<UInt32>? {
        pairs.map { UnsafePointer($0.bound(to: UInt32.self) + panel * Self.pairCount(tensor)) }
    }

    /// Codes, scales and sums of a panel.
    func bytes(panel: Int) -> (
        codes: UnsafePointer<Int8>, scales: UnsafePointer<Float>, sums: UnsafePointer<Int32>
    )? {
        guard let codes, let scales else { return nil }
        let blocks = tensor.features / 32 * tensor.layout.width
        let scale = scales.bound(to: Float.self) + 2 * blocks * panel
        return (
            UnsafePointer(codes.bound(to: Int8.self) + panel * tensor.features * tensor.layout.width),
            UnsafePointer(scale), UnsafeRawPointer(scale + blocks).assumingMemoryBound(to: Int32.self)
        )
    }
}

extension Compute {
    /// Prepares `tensor` for products with `weights`.
    public func operand(_ tensor: Tensor, for weights: Matrix...) -> Operand {
        let kernels = weights.map { kernel(for: $0.type, columns: $0.columns) }
        return Operand(tensor, kernels: Set(kernels), compute: self)
    }
}
