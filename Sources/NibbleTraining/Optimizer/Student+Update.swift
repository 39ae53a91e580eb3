public import NibbleCheckpoint
public import NibbleTensor

extension Student {
    /// Changes all weights by a step of AdamW, and encodes them anew.
    ///
    /// - Parameters:
    ///   - gradients: those of the decoded weights; where values were clipped they are set to 0, if the recipe says so.
    ///   - steps: of each kind of parameter.
    ///   - isQuantized: whether the gradients were taken of ``quantized``. Those of ``unquantized`` are not masked, and
    ///     learned scales are then chosen from the weights as at the start.
    /// - Throws: `CheckpointError` where a weight or scale is no longer finite.
    public func update(
        _ gradients: Gradients, by steps: StudentSteps, isQuantized: Bool = true
    ) throws(CheckpointError) {
        for matrix in matrices { try update(matrix, gradients, by: steps, isQuantized: isQuantized) }
        for vector in vectors { update(vector, gradients, by: steps) }
    }

    /// The same for one matrix.
    func update(
        _ matrix: TrainedMatrix, _ gradients: Gradients, by steps: StudentSteps, isQuantized: Bool = true
    ) throws(CheckpointError) {
        guard let gradient = gradients[matrix.parameter]?.baseAddress else { return }
        try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
            try matrix.update(
                rows, gradient: gradient, by: steps, isQuantized: isQuantized, compute: compute)
        }
    }

    /// The same for one norm or bias.
    func update(_ vector: TrainedVector, _ gradients: Gradients, by steps: StudentSteps) {
        guard let gradient = gradients[vector.parameter]?.baseAddress else { return }
        steps.vectors.apply(
            to: vector.masters.floats, gradient: gradient, m: vector.firstMoments.floats,
            v: vector.secondMoments.floats, count: vector.count, compute: compute)
        vector.settle()
    }

    /// Puts the weights of matrices whose scales are learned in the middle of the cells of their codes: what training on
    /// rounded weights begins with. Where a weight lay in its cell says what would round it best without the others that
    /// were rounded with it; a step that went by it would change a sixth of all codes on next to no evidence.
    public func holdCodes() throws(CheckpointError) {
        for matrix in matrices where matrix.scales != nil {
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                try matrix.holdCodes(rows, level: compute.level)
            }
        }
    }
}
