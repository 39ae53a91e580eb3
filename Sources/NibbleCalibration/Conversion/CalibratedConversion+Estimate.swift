internal import NibbleCheckpoint
internal import NibbleModel
internal import NibbleNumerics
internal import NibbleQuantization
internal import NibbleTensor

extension CalibratedConversion {
    /// What it will take, without reading the text. Measures what this machine does in a second first, which takes some.
    public func estimate() -> CalibrationEstimate {
        let plan = plan
        let (length, shape) = (request.sequenceLength, reference.configuration)
        let work = CalibrationWork(
            options: request.decidedOptions, matrices: matrices, plan: plan, shape: shape,
            tokens: request.options.sequences * length, heldOut: request.heldOutCount * length,
            candidates: candidates.count,
            rates: CalibrationRates(
                measuring: reference.compute,
                // Of types that are chosen K types are the most, and take the longest.
                format: request.target == nil ? request.conversion.plan.type.format : .ggml(.q4_k)))
        let steps = calibrator(matrices, plan).steps(measures: request.heldOutCount > 0)
        return CalibrationEstimate(
            arithmetic: reference.compute.arithmetic, space: CalibrationSpace(plan),
            freeBytes: FilePath.freeBytes(FilePath.folder(of: scratchPath)),
            sizes: request.target.map { SizeBudget($0, converters[0]).range(matrices[0]) },
            seconds: steps.reduce(0) { $0 + work.seconds($1) })
    }
}
