package import NibbleCheckpoint
internal import NibbleModel
internal import NibbleTensor

extension Calibrator {
    /// Bytes that GPTQ takes besides the model and its matrices.
    ///
    /// - Parameters:
    ///   - matrices: rows and columns of those that are rounded.
    ///   - length: tokens of a sequence.
    ///   - backward: what the gradients of some sequences take: activations, logits, scratch.
    package static func byteCount(
        _ options: CalibrationOptions, matrices: [(rows: Int, columns: Int)], in shape: ModelConfiguration,
        sequences: Int, length: Int, threads: Int, backward: Int
    ) -> Int {
        let (weighsTokens, compares) = (options.tokenWeights == .gradient, options.gptaq > 0)
        // Of the matrices with one input after the other: Hessians, what inputs lack, and factors.
        let squares =
            Sublayer.inputGroups.map { group in
                let width = group.width(in: shape)
                return (weighsTokens && !group.isLast ? 3 : 1) * width * width
            }.max() ?? 0
        let streams = (compares ? 2 : 1) * sequences * shape.embeddingLength
        let outputs = matrices.reduce(0) {
            $0 + (weighsTokens && $1.rows <= OutputGradients.mostRows ? $1.rows * $1.rows : 0)
        }
        // Errors of all rows of a matrix, and those of the pieces in which threads round it, with their gradients.
        let errors = matrices.reduce(0) {
            max($0, $1.columns * ($1.rows + 3 * Compute.rowsAtATime * threads))
        }
        // One sequence passes through a block at a time.
        let rounding =
            (compares ? 12 : 8) * squares + 4 * (outputs + errors)
            + 4 * length * (streams + Sublayer.keptFeatures(in: shape) + Sublayer.packedFeatures(in: shape))
        // Gradients flow back to the outputs of matrices, but not to their weights.
        return max(rounding, weighsTokens ? 4 * outputs + backward : 0)
    }
}
