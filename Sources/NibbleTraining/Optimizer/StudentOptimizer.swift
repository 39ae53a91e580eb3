public import NibbleCheckpoint
public import NibbleTensor

extension Student {
    /// Changes all masters by a step of AdamW, and encodes them anew.
    ///
    /// - Parameters:
    ///   - gradients: those of the decoded weights; where values were clipped they are set to 0, if `options.config` says
    ///     so.
    ///   - matrices: the step of matrices.
    ///   - isRelative: whether the rate of each matrix is multiplied by ``TrainedMatrix/relativeMagnitude``, so that
    ///     weights of all matrices move by like parts of their quantization steps.
    ///   - vectors: the step of norms and biases.
    ///   - scales: the step of learned scales; not nil where there are any.
    ///   - isQuantized: whether the gradients were taken of ``quantized``. Those of ``unquantized`` are not masked, and
    ///     learned scales are then chosen from the weights as at the start.
    /// - Throws: `CheckpointError` where a weight or scale is no longer finite.
    public func update(
        _ gradients: Gradients, matrices step: AdamWStep, isRelative: Bool = false,
        vectors vectorStep: AdamWStep,
        scales scaleStep: AdamWStep? = nil, isQuantized: Bool = true
    ) throws(CheckpointError) {
        for matrix in matrices {
            guard let gradient = gradients[matrix.parameter]?.baseAddress else { continue }
            let factor = isRelative ? matrix.relativeMagnitude : 1
            let (weightStep, ownScaleStep) = (step.scaled(factor), scaleStep?.scaled(factor))
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                try matrix.update(
                    rows, gradient: gradient, weights: weightStep, scales: ownScaleStep,
                    isQuantized: isQuantized,
                    compute: compute)
            }
        }
        for vector in vectors {
            guard let gradient = gradients[vector.parameter]?.baseAddress else { continue }
            vectorStep.apply(
                to: vector.masters.floats, gradient: gradient, m: vector.firstMoments.floats,
                v: vector.secondMoments.floats, count: vector.count, compute: compute)
            vector.settle()
        }
    }
}
