internal import CKernels

/// The last product: final states of some tokens against the rows of the vocabulary, a slice at a time.
public final class VocabularyHead: LogitSource {
    /// The layout of the states.
    public var layout: PanelLayout { operand.tensor.layout }
    private let weight: Matrix
    private let operand: Operand
    private let softcap: Float?
    let compute: Compute
    private let kernel: ProductKernel

    /// - Parameters:
    ///   - states: final states in a layout of one sequence (``Compute/gather(_:positions:)``).
    ///   - weight: `[vocabulary, features]`.
    ///   - softcap: c of c · tanh(logit / c); nil for none.
    public init(_ states: Tensor, weight: Matrix, softcap: Float?, compute: Compute) {
        self.weight = weight
        self.softcap = softcap
        self.compute = compute
        kernel = compute.kernel(for: weight.type, columns: weight.columns)
        operand = compute.operand(states, for: weight)
    }

    /// Rows of the vocabulary.
    public var vocabularySize: Int { weight.rows }
    /// Rows that are decoded at a time.
    public var sliceHeight: Int { WeightSlab.height }
    /// False: the sum of the exponentials is still to be divided by.
    public var isNormalized: Bool { false }

    /// Prepares some rows.
    public func slice(_ rows: Range<Int>) -> (_ panel: Int, _ logits: UnsafeMutablePointer<Float>) -> Void {
        let slab = WeightSlab(
            weight, rows, kernel: kernel, isStep: layout.isStep, compute: compute)
        return { [self] panel, logits in
            slab.multiply(operand, panel: panel, into: logits)
            if let softcap { nibble_softcap(logits, slab.rows * layout.width, softcap, compute.levelNumber) }
        }
    }

    /// All logits, `[token][vocabulary]`. For few tokens: everything is held.
    public func allLogits() -> [[Float]] {
        let (height, width) = (sliceHeight, layout.width)
        let slices = (weight.rows + height - 1) / height
        let results = (0..<layout.length).map { _ in compute.pool.take(bytes: weight.rows * 4) }
        compute.workers.forEach(slices) { slice in
            let rows = slice * height..<min((slice + 1) * height, weight.rows)
            let fill = self.slice(rows)
            let buffer = compute.pool.take(bytes: height * width * 4)
            let values = buffer.bound(to: Float.self)
            for panel in 0..<layout.panels {
                fill(panel, values)
                for lane in 0..<min(width, layout.length - panel * width) {
                    let target = results[panel * width + lane].bound(to: Float.self) + rows.lowerBound
                    for row in 0..<rows.count { target[row] = values[row * width + lane] }
                }
            }
        }
        return results.map { Array(UnsafeBufferPointer(start: $0.bound(to: Float.self), count: weight.rows)) }
    }
}
