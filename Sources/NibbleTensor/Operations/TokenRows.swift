internal import CKernels

/// A tensor with the tokens of a feature side by side, as the weight of a product that sums over tokens.
struct TokenRows {
    let features: Int
    private let tensor: Tensor
    /// BF16: `[feature][token of all panels]`; F32 panels serve as they are.
    private let buffer: Buffer?

    init(_ tensor: Tensor, compute: Compute) {
        features = tensor.features
        self.tensor = tensor
        guard compute.hasBF16 else {
            buffer = nil
            return
        }
        let layout = tensor.layout
        let buffer = compute.pool.take(bytes: features * layout.panels * layout.width * 2)
        compute.workers.forEach(layout.panels) { panel in
            nibble_pack_bf16_rows(
                tensor.panel(panel), tensor.features, layout.width,
                buffer.bound(to: UInt16.self) + panel * layout.width, layout.panels * layout.width)
        }
        self.buffer = buffer
    }

    /// Pairs of tokens of a feature, and how far the next feature's are.
    func pairs(_ feature: Int) -> (start: UnsafePointer<UInt32>, stride: Int)? {
        let stride = tensor.layout.panels * tensor.layout.width / 2
        return buffer.map { (UnsafePointer($0.bound(to: UInt32.self) + feature * stride), stride) }
    }

    /// The tokens of a panel of a feature; the next feature's are `width` further.
    func tokens(_ feature: Int, panel: Int) -> UnsafePointer<Float> {
        UnsafePointer(tensor.panel(panel) + feature * tensor.layout.width)
    }
}
