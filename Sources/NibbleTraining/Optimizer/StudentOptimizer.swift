public import NibbleCheckpoint
public import NibbleTensor

extension Student {
    /// Changes all masters by a step of AdamW, and encodes them anew.
    ///
    /// - Parameters:
    ///   - matrices: the step of matrices.
    ///   - isRelative: whether the rate of each matrix is multiplied by ``TrainedMatrix/relativeMagnitude``, so that
    ///     weights of all matrices move by like parts of their quantization steps.
    ///   - vectors: the step of norms and biases.
    /// - Throws: `CheckpointError` where a weight is no longer finite.
    public func update(
        _ gradients: Gradients, matrices step: AdamWStep, isRelative: Bool = false, vectors vectorStep: AdamWStep
    ) throws(CheckpointError) {
        for matrix in matrices {
            guard let gradient = gradients[matrix.parameter]?.baseAddress else { continue }
            var step = step
            if isRelative { step.rate *= matrix.relativeMagnitude }
            // Rows are encoded while they are in the cache.
            try compute.forEachRows(of: matrix.rows) { rows throws(CheckpointError) in
                let (start, count) = (rows.lowerBound * matrix.columns, rows.count * matrix.columns)
                step.apply(
                    to: matrix.masters.floats + start, gradient: gradient + start,
                    m: matrix.firstMoments.floats + start, v: matrix.secondMoments.floats + start,
                    count: count, compute: compute)
                try matrix.encode(rows, level: compute.level)
            }
        }
        for vector in vectors {
            guard let gradient = gradients[vector.parameter]?.baseAddress else { continue }
            vectorStep.apply(
                to: vector.masters.floats, gradient: gradient, m: vector.firstMoments.floats,
                v: vector.secondMoments.floats, count: vector.count, compute: compute)
        }
    }
}
