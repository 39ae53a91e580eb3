internal import CKernels

/// The last product: final states of some tokens against the rows of the vocabulary, a slice at a time.
public final class VocabularyHead: Sendable {
    /// The states.
    public var layout: PanelLayout { operand.tensor.layout }
    let weight: Matrix
    private let operand: Operand
    private let softcap: Float?
    private let compute: Compute
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

    /// Rows that are worked on at a time.
    var sliceHeight: Int { WeightSlab.height(kernel) }

    /// Some rows, prepared for all panels.
    func slab(_ rows: Range<Int>) -> WeightSlab { WeightSlab(weight, rows, kernel: kernel, compute: compute) }

    /// Logits `[rows][width]` of a panel.
    func logits(_ slab: WeightSlab, panel: Int, into logits: UnsafeMutablePointer<Float>) {
        slab.multiply(operand, panel: panel, into: logits)
        if let softcap { nibble_softcap(logits, slab.rows * layout.width, softcap, compute.levelNumber) }
    }

    /// All logits of one token.
    public func allLogits(token: Int) -> [Float] {
        var result = [Float](repeating: 0, count: weight.rows)
        let (panel, lane) = layout.place(sequence: 0, position: token)
        let buffer = compute.pool.take(bytes: sliceHeight * layout.width * 4)
        let values = buffer.bound(to: Float.self)
        for first in stride(from: 0, to: weight.rows, by: sliceHeight) {
            let rows = first..<min(first + sliceHeight, weight.rows)
            logits(slab(rows), panel: panel, into: values)
            for row in 0..<rows.count { result[first + row] = values[row * layout.width + lane] }
        }
        return result
    }
}
