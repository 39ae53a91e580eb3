internal import NibbleNumerics
internal import NibbleTensor

/// Weights that make up for what rounding lost before their matrix (GPTAQ, Li et al. 2025, arXiv 2504.02692).
///
/// Where the input is x in the unquantized model and x̃ in the quantized one, the output lacks W (x - x̃). What of that is linear in x,
/// W C A⁻¹ x with C = Σ (x - x̃) xᵀ and A = Σ x xᵀ, the weights can add themselves.
extension GPTQRounding {
    /// Adds a share of W C A⁻¹ to rows of a matrix that are not rounded yet, A damped as for rounding.
    ///
    /// The paper fits to x̃ instead of x. That takes what is noise to x̃ for a part of it, and shrinks the weights to
    /// dampen it, block after block.
    ///
    /// - Parameter lost: W C, `[rows of the matrix][columns]`, all finite.
    func correct(
        _ rows: Range<Int>, of matrix: CalibratedMatrix, lost: Memory, share: Float, level: KernelLevel
    ) {
        let memory = Memory(byteCount: rows.count * columns * 4)
        let sorted = memory.floats
        let outputs = lost.floats + rows.lowerBound * columns
        let weights = matrix.weights.floats + rows.lowerBound * columns
        for row in 0..<rows.count {
            for (index, place) in order.enumerated() {
                sorted[row * columns + index] = outputs[row * columns + place]
            }
        }
        // A = F D Fᵀ, F the factors with ones on the diagonal and D the squares of the roots.
        Compute.divideByUnitUpper(
            sorted, rows: rows.count, factors, size: columns, isTransposed: true, level: level)
        for row in 0..<rows.count {
            for (index, root) in roots.enumerated() { sorted[row * columns + index] /= root * root }
        }
        Compute.divideByUnitUpper(
            sorted, rows: rows.count, factors, size: columns, isTransposed: false, level: level)
        for row in 0..<rows.count {
            for (index, place) in order.enumerated() {
                weights[row * columns + place] += share * sorted[row * columns + index]
            }
        }
        withExtendedLifetime(memory) {}
    }
}
